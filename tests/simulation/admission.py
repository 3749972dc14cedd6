"""What the simulated cluster refuses to make: quotas, permissions, webhooks and policies."""

from __future__ import annotations

from collections import Counter
from enum import Enum

from codecourier.kube.api import Json, Resource
from codecourier.kube.errors import ApiError, TooManyRequests
from tests.simulation.refusals import denied_by_policy, exceeded_quota, forbidden_to_operator, webhook_failed

__all__ = ["Admission", "Obstacle"]


class Obstacle(Enum):
    """Why creations of a kind are refused."""

    QUOTA = "the quota of the namespace is used up"
    PERMISSION = "the operator's account may not make it"
    WEBHOOK = "an admission webhook does not answer"
    POLICY = "an admission policy refuses it"
    BUSY = "the server answers 429"

    def error(self, resource: Resource, body: Json) -> ApiError:
        """Return the server's answer."""
        metadata = body["metadata"]
        match self:
            case Obstacle.QUOTA:
                return exceeded_quota(resource, metadata["name"])
            case Obstacle.PERMISSION:
                return forbidden_to_operator(resource, metadata["namespace"])
            case Obstacle.WEBHOOK:
                return webhook_failed()
            case Obstacle.POLICY:
                return denied_by_policy(resource, metadata["name"])
            case Obstacle.BUSY:
                return TooManyRequests(429, "TooManyRequests", "too many requests, please try again later")


class Admission:
    """Refuses creations in one namespace.

    Parameters
    ----------
    namespace
        The namespace.
    """

    def __init__(self, namespace: str) -> None:
        self.obstacles: dict[Resource, Obstacle] = {}
        """Which kinds are refused, and why."""

        self.refused: Counter[Resource] = Counter()
        """How many creations of each kind were refused."""

        self._namespace = namespace

    def check(self, resource: Resource, obj: Json) -> None:
        """Refuse a creation, or let it pass."""
        obstacle = self.obstacles.get(resource)
        if obstacle is not None and obj["metadata"].get("namespace") == self._namespace:
            self.refused[resource] += 1
            raise obstacle.error(resource, obj)
