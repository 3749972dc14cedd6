"""The two doors of the REST API: paths of its own, and those that kube-apiserver's aggregation layer passes on.

Both lead to the same operations: whatever is below `/api/v1` is also below the path of a project in the API group.
"""

from __future__ import annotations

import re

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = [
    "AGGREGATED",
    "OPS_GROUP",
    "OPS_VERSION",
    "PEER",
    "PROJECT_KEY",
    "AggregatedDoor",
    "is_for_kubernetes",
    "project_in_path",
]

OPS_GROUP = "ops.codecourier.dev"
"""API group of what is no object of the cluster: the operations, and views of the forge."""

OPS_VERSION = "v1"

AGGREGATED = f"/apis/{OPS_GROUP}/{OPS_VERSION}"
"""Path of the group: kube-apiserver passes on everything below it."""

PEER = "codecourier.peer"
"""Extension of an ASGI scope; its `name` is that in the client's certificate, which an authority for clients signed."""

PROJECT_KEY = "project"
"""Key in the state of an ASGI scope: the project in the path of a request that kube-apiserver has passed on."""
_PATH = re.compile(
    rf"(?P<root>{re.escape(AGGREGATED)}/namespaces/(?P<project>[a-z0-9](?:[-a-z0-9]{{0,61}}[a-z0-9])?))/(?P<rest>.*)",
    re.DOTALL,
)


class AggregatedDoor:
    """Takes the path of a project off a request's path, so that the same routes serve both doors.

    Parameters
    ----------
    app
        The application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as ASGI asks."""
        if scope["type"] == "http" and (found := _PATH.fullmatch(scope["path"])):
            # Changed in place: the framework's outermost handler of errors sees this very scope.
            if found["rest"].startswith("api/v1/"):
                scope["root_path"] = found["root"]
            scope["state"] = {**scope.get("state", {}), PROJECT_KEY: found["project"]}
        await self._app(scope, receive, send)


def project_in_path(connection: HTTPConnection) -> str | None:
    """Return the project that the path of a request names; None: it came through the direct door."""
    project: str | None = getattr(connection.state, PROJECT_KEY, None)
    return project


def is_for_kubernetes(path: str) -> bool:
    """Return whether a path belongs to Kubernetes' API, whose refusals are `Status` objects."""
    return path.split("/", 2)[1:2] in (["apis"], ["openapi"], ["version"])
