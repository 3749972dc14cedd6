"""Who may: each request is put to the cluster's authorizer, so that RBAC alone grants."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from codecourier.apiserver.callers import Caller
from codecourier.apiserver.refusal import Refusal
from codecourier.core.shared.api_keys import Identity
from codecourier.kube.api import SUBJECT_ACCESS_REVIEWS, Json, KubeApi
from codecourier.kube.errors import KubeError
from codecourier.resources.meta import GROUP

__all__ = ["Reviews", "Right"]

_KEPT_SECONDS = 10.0
"""How long an answer of the authorizer counts: so long a right that was taken away still works."""

_MOST_KEPT = 10_000


@dataclass(frozen=True)
class Right:
    """What a caller needs for an operation."""

    verb: str
    resource: str
    """Plural of a kind, with the subresource where it is of one: `runs/log`."""

    group: str = GROUP

    def to_json(self) -> dict[str, str]:
        """Return it as the OpenAPI document shows it."""
        return {"group": self.group, "resource": self.resource, "verb": self.verb}


class Reviews:
    """Asks the cluster's authorizer, and remembers its answers for a short time.

    Parameters
    ----------
    api
        The cluster's API server.
    clock
        The monotonic clock, in seconds.
    """

    def __init__(self, api: KubeApi, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        self._answers: OrderedDict[tuple[Hashable, ...], tuple[bool, float]] = OrderedDict()

    async def check(self, caller: Caller, right: Right, name: str) -> None:
        """Make sure that a caller has a right.

        Parameters
        ----------
        caller
            Who asks.
        right
            What the request needs.
        name
            Name of the object; empty for a list or a creation.

        Raises
        ------
        Refusal
            403 if the caller does not have it, 503 if the authorizer does not answer.
        """
        attributes = partial(_attributes_of, caller.namespace, right, name)
        if not await self._is_allowed((caller, right, name), caller.identity, attributes):
            what = f"{right.verb} {right.resource}.{right.group} in namespace {caller.namespace}"
            message = f"User {caller.identity.user} may not {what}. A RoleBinding there would allow it."
            raise Refusal(HTTPStatus.FORBIDDEN, message)

    async def check_path(self, identity: Identity, path: str) -> None:
        """Make sure that a user may read a path that is of no project.

        Raises
        ------
        Refusal
            403 if not, 503 if the authorizer does not answer.
        """
        attributes: Json = {"nonResourceAttributes": {"path": path, "verb": "get"}}
        if not await self._is_allowed((identity, path), identity, lambda: attributes):
            raise Refusal(HTTPStatus.FORBIDDEN, f"User {identity.user} may not get {path}.")

    async def _is_allowed(self, key: tuple[Hashable, ...], identity: Identity, attributes: Callable[[], Json]) -> bool:
        is_allowed, since = self._answers.get(key, (False, float("-inf")))
        if self._clock() - since >= _KEPT_SECONDS:
            is_allowed = await self._ask({**_user_of(identity), **attributes()})
            self._answers[key] = (is_allowed, self._clock())
            self._answers.move_to_end(key)
            if len(self._answers) > _MOST_KEPT:
                self._answers.popitem(last=False)
        return is_allowed

    async def _ask(self, spec: Json) -> bool:
        review: Json = {
            "apiVersion": SUBJECT_ACCESS_REVIEWS.api_version,
            "kind": SUBJECT_ACCESS_REVIEWS.kind,
            "metadata": {},
            "spec": spec,
        }
        try:
            answer = await self._api.create(SUBJECT_ACCESS_REVIEWS, review)
        except KubeError as error:
            message = "The cluster's authorizer does not answer now, so nothing is allowed. Try again."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=1) from error
        status = answer.get("status") or {}
        return status.get("allowed") is True and status.get("denied") is not True


def _attributes_of(namespace: str, right: Right, name: str) -> Json:
    resource, _, subresource = right.resource.partition("/")
    attributes = {"namespace": namespace, "group": right.group, "resource": resource, "verb": right.verb}
    optional = {"subresource": subresource, "name": name}
    return {"resourceAttributes": attributes | {field: value for field, value in optional.items() if value}}


def _user_of(identity: Identity) -> Json:
    extra = {name: list(values) for name, values in identity.extra}
    user = {"user": identity.user, "groups": list(identity.groups), "uid": identity.uid, "extra": extra}
    return {name: value for name, value in user.items() if value}
