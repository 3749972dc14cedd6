"""The REST API as an ASGI application, without a socket, a clock or an API server of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from codecourier.apiserver.callers import Callers, RateLimit
from codecourier.apiserver.document import ABOUT, complete
from codecourier.apiserver.doors import AGGREGATED, AggregatedDoor
from codecourier.apiserver.gauges import register_gauges
from codecourier.apiserver.hosts import HostParts, Hosts
from codecourier.apiserver.inboxes import Inboxes
from codecourier.apiserver.metrics import ApiMetrics, Counted
from codecourier.apiserver.page import render_html
from codecourier.apiserver.reads import Reads
from codecourier.apiserver.reference import read_entries
from codecourier.apiserver.refusal import render_refusal
from codecourier.apiserver.rights import Reviews
from codecourier.apiserver.route import Door
from codecourier.apiserver.routes.analytics import add_analytics
from codecourier.apiserver.routes.api_keys import add_api_keys
from codecourier.apiserver.routes.branches import add_branches, view_branches
from codecourier.apiserver.routes.discovery import add_discovery
from codecourier.apiserver.routes.events import add_events
from codecourier.apiserver.routes.explaining import add_explanations
from codecourier.apiserver.routes.issue_sessions import add_issue_sessions
from codecourier.apiserver.routes.kubernetes import add_kubernetes_views
from codecourier.apiserver.routes.learnings import add_learnings
from codecourier.apiserver.routes.merging import add_merging
from codecourier.apiserver.routes.notifications import add_notifications
from codecourier.apiserver.routes.project import add_project
from codecourier.apiserver.routes.pull_requests import add_pull_requests, view_pull_requests
from codecourier.apiserver.routes.reading import add_sandboxes, add_workflows
from codecourier.apiserver.routes.recurring_tasks import add_recurring_tasks
from codecourier.apiserver.routes.run_log import add_run_log
from codecourier.apiserver.routes.runs import add_runs
from codecourier.apiserver.routes.sprint_chains import add_sprint_chains
from codecourier.apiserver.routes.trash import add_trash
from codecourier.apiserver.served import KeyCache, Served
from codecourier.apiserver.tokens import Tokens
from codecourier.apiserver.trust import Trust
from codecourier.apiserver.turns import LIVE_PATHS, READY_PATH, InTurn, Turns
from codecourier.apiserver.writing import Writer
from codecourier.kube.api import KubeApi
from codecourier.kube.errors import KubeError

__all__ = ["ApiParts", "make_app"]


@dataclass(frozen=True)
class ApiParts:
    """What the REST API is built from."""

    api: KubeApi
    served: Served
    keys: KeyCache
    trust: Trust
    now: Callable[[], datetime]
    clock: Callable[[], float]
    """The monotonic clock, in seconds."""

    accept_wait_seconds: float
    """How long the answer to a creation waits for the operator to accept the object."""

    audience: str = "codecourier"
    """Audience that tokens of the cluster must be made for."""

    hosts: HostParts = field(default_factory=HostParts)
    """What repositories' hosts are asked with."""

    metrics: ApiMetrics = field(default_factory=ApiMetrics)
    """What is counted."""


class _Documented(FastAPI):
    """The framework's application, with a document that lacks nothing."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema


def make_app(parts: ApiParts) -> FastAPI:
    """Return the REST API."""
    tokens = Tokens(parts.api, parts.clock, parts.audience)
    door = Door(
        Callers(parts.keys, parts.trust, tokens, parts.now, RateLimit(parts.clock, parts.metrics.rate_limited.inc)),
        Reviews(parts.api, parts.clock),
        parts.served,
        Writer(parts.api, parts.served),
        Turns(),
    )
    app = _Documented(
        **ABOUT,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        root_path_in_servers=False,
        # What a server reports to others is its administrator's decision, so no variable may switch it on unseen.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.door = door
    router = APIRouter(prefix="/api/v1")
    hosts = Hosts(parts.hosts, parts.api, parts.served, parts.now)
    add_branches(router, door, hosts)
    add_pull_requests(router, door, parts.accept_wait_seconds)
    add_merging(router, door, parts.accept_wait_seconds)
    inboxes = Inboxes(parts.api, parts.served, parts.now)
    add_notifications(router, door, inboxes)
    watched = APIRouter(prefix=f"{AGGREGATED}/namespaces/{{namespace}}")
    events = add_events(router, watched, door)
    add_recurring_tasks(router, door, parts.now)
    add_sprint_chains(router, door, parts.accept_wait_seconds)
    add_runs(router, door, parts.accept_wait_seconds)
    logs = add_run_log(router, door, parts.api)
    app.state.streams = (events, logs)
    add_workflows(router, door)
    add_sandboxes(router, door)
    add_explanations(router, door, parts.now)
    add_trash(router, door, parts.now)
    add_analytics(router, door, inboxes, parts.now)
    add_project(router, door)
    add_learnings(router, door)
    add_issue_sessions(router, door)
    add_api_keys(router, parts.keys, parts.now)
    app.include_router(router)
    app.include_router(watched, include_in_schema=False)
    _add_middleware(app, router, parts, door)
    register_gauges(parts.metrics, parts.served, parts.keys, {"events": events, "logs": logs})
    for kind in (HTTPException, RequestValidationError, KubeError, Exception):
        app.add_exception_handler(kind, render_refusal)
    views = (view_branches(parts.served.store, hosts), view_pull_requests(parts.served))
    add_kubernetes_views(app, door, views, parts.now)
    add_discovery(app, door, [view.offer for view in views])
    _add_page(app)
    _add_probes(app, parts)
    return app


def _add_middleware(app: FastAPI, router: APIRouter, parts: ApiParts, door: Door) -> None:
    """Add what happens to each request before its operation, the innermost first."""
    app.add_middleware(Reads, routes=router.routes)
    app.add_middleware(AggregatedDoor)
    app.add_middleware(InTurn, turns=door.turns)
    app.add_middleware(Counted, metrics=parts.metrics, clock=parts.clock)


def _add_page(app: FastAPI) -> None:
    async def show_reference() -> Response:
        return HTMLResponse(render_html("CodeCourier's REST API", read_entries(app.openapi())))

    app.add_api_route("/api/v1/docs", show_reference, include_in_schema=False)


def _add_probes(app: FastAPI, parts: ApiParts) -> None:
    async def live() -> Response:
        return PlainTextResponse("ok")

    async def ready() -> Response:
        missing, stale = list(parts.served.unsynced), list(parts.served.stale)
        if not parts.keys.is_fresh:
            stale.append("APIKey")
        problems = [f"not read yet: {', '.join(missing)}"] if missing else []
        problems += [f"not heard of for too long: {', '.join(stale)}"] if stale else []
        return PlainTextResponse("\n".join(problems), 503) if problems else PlainTextResponse("ok")

    for path in LIVE_PATHS:
        app.add_api_route(path, live, include_in_schema=False)
    app.add_api_route(READY_PATH, ready, include_in_schema=False)
