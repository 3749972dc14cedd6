"""What the simulated cluster refuses to make: quotas, permissions, webhooks and policies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum

from codecourier.kube.api import Json, Resource
from codecourier.kube.errors import KubeError, TooManyRequests, Unanswered
from tests.simulation.refusals import (
    denied_by_policy,
    exceeded_quota,
    forbidden_to_operator,
    patch_failed,
    webhook_failed,
)

__all__ = ["Admission", "Obstacle"]


class Obstacle(Enum):
    """Why creations of a kind are refused."""

    QUOTA = "the quota of the namespace is used up"
    PERMISSION = "the operator's account may not make it"
    WEBHOOK = "an admission webhook does not answer"
    POLICY = "an admission policy refuses it"
    BUSY = "the server answers 429"
    BROKEN = "a webhook's patch does not apply"
    SILENCE = "a webhook hangs for longer than the operator waits"

    def error(self, resource: Resource, body: Json) -> KubeError:
        """Return what the operator meets instead of the object."""
        name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
        errors: Mapping[Obstacle, Callable[[], KubeError]] = {
            Obstacle.QUOTA: lambda: exceeded_quota(resource, name),
            Obstacle.PERMISSION: lambda: forbidden_to_operator(resource, namespace),
            Obstacle.WEBHOOK: webhook_failed,
            Obstacle.POLICY: lambda: denied_by_policy(resource, name),
            Obstacle.BUSY: lambda: TooManyRequests(429, "TooManyRequests", "too many requests, please try again later"),
            Obstacle.BROKEN: patch_failed,
            Obstacle.SILENCE: lambda: Unanswered("no answer"),
        }
        return errors[self]()


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
