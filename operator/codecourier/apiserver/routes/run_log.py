"""The operation that shows the log of a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from http import HTTPStatus
from math import inf
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from codecourier.apiserver.ids import RUN_ID
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.rights import Right
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.shared import find_object
from codecourier.apiserver.run_log import MOST_TRIES, LogQuery, RunLog, find_try, pod_name, render_kept
from codecourier.apiserver.streams import End, Stream, Streams, StreamTerms, seconds_of
from codecourier.kinds.sources import RUN_SOURCE, SANDBOX_SOURCE
from codecourier.kube.api import KubeApi
from codecourier.kube.errors import KubeError, NotFound
from codecourier.resources.run import Run, Try
from codecourier.resources.sandbox import Sandbox

__all__ = ["add_run_log"]

_RIGHT = Right("get", f"{RUN_SOURCE.resource.plural}/log")
_FIRST_SECONDS = 2.0
"""How long the beginning of a log is waited for before the answer begins without it."""

_MOST_OF_USER = 8
_MOST = 64
"""Most logs at one time: each holds a connection to the cluster's API server, of 128."""

_SOURCE_HEADER = "X-CodeCourier-Log"
"""Says where the text comes from: `pod`, or `status` once the pod is gone."""


_HEADERS: Mapping[str, str] = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}


class LogParameters(BaseModel):
    """Which part of a run's log is asked for."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    attempt: Annotated[int | None, Field(ge=1, le=1000)] = None
    """Number of the attempt; absent: the present one. Of an earlier one there is what its sandboxes keep."""

    number: Annotated[int | None, Field(ge=1, le=MOST_TRIES, alias="try")] = None
    """Number of the try within the attempt; absent: the last one."""

    container: Literal["checkout", "agent", "verify", "collect", "publish"] | None = None
    """The step whose log is shown; absent: all, one after another."""

    tail: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Only the last lines of each container; absent: all."""

    follow: bool = False
    """Whether the answer goes on until the try is over."""


class _Logs:
    def __init__(self, door: Door, api: KubeApi) -> None:
        self._door = door
        self._api = api
        self.streams = Streams("logs", _MOST_OF_USER, _MOST)

    async def read_run_log(self, request: Request, id: str, query: Annotated[LogParameters, Query()]) -> Response:  # noqa: A002
        """Read the log of a run. Once its pod is gone the answer has what the statuses keep."""
        return await self._read(request, id, query, seconds_of(request))

    async def read_log(self, request: Request, id: str, query: Annotated[LogParameters, Query()]) -> Response:  # noqa: A002
        """Read the log of a run by a path that kube-apiserver lets go on for longer than a minute."""
        return await self._read(request, id, query, inf)

    async def _read(self, request: Request, text: str, query: LogParameters, seconds: float) -> Response:
        run = find_object(self._door.served, RUN_SOURCE, request, text, RUN_ID)
        done = find_try(run, query.attempt, query.number, partial(self._find_sandbox, run.namespace))
        wanted = LogQuery(query.container, query.tail, query.follow)
        pod = pod_name(run, query.attempt, done.number)
        log = RunLog(self._api, run, pod, wanted, self._is_over(run, query.attempt, done.number))
        end = self.streams.begin(caller_of(request).identity.user)
        parts = log.read()
        first = asyncio.ensure_future(anext(parts))
        try:
            # A log that is followed may be silent for any time.
            await asyncio.wait([first], timeout=_FIRST_SECONDS)
            if first.done():
                first.result()
        except BaseException as error:
            end()
            if not isinstance(error, KubeError):
                raise
            return self._without_pod(run, done, wanted, error)

        async def check() -> None:
            await self._door.check_again(request, [_RIGHT], run.name)

        terms = StreamTerms(check, end, seconds)
        return Stream(self.streams, terms, _joined(first, parts), _show_end, {**_HEADERS, _SOURCE_HEADER: "pod"})

    def _without_pod(self, run: Run, done: Try, query: LogQuery, error: KubeError) -> Response:
        if not isinstance(error, NotFound):
            message = "The node of the pod, or the cluster, does not give the log now. Try again."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=5) from error
        sandbox = self._find_sandbox(run.namespace, done.sandbox)
        text = render_kept(done, sandbox, query)
        return Response(text, headers={_SOURCE_HEADER: "status"}, media_type="text/plain")

    def _find_sandbox(self, namespace: str, name: str) -> Sandbox | None:
        return self._door.served.find(SANDBOX_SOURCE, namespace, name)

    def _is_over(self, run: Run, attempt: int | None, number: int) -> Callable[[], bool]:
        def is_over() -> bool:
            found = self._door.served.find(RUN_SOURCE, run.namespace, run.name)
            if found is None or found.uid != run.uid or found.status.attempt != (attempt or run.status.attempt):
                return True
            return any(done.number == number and done.phase.is_finished for done in found.status.tries)

        return is_over


def _show_end(end: End) -> bytes:
    return f"\n# The stream ends here: {end.message}\n".encode()


async def _joined(first: asyncio.Future[bytes], rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    try:
        yield await first
        async for part in rest:
            yield part
    except KubeError:
        yield b"# The cluster does not give the log.\n"
    finally:
        if not first.done():
            first.cancel()
            await asyncio.wait([first])
        await rest.aclose()


def add_run_log(router: APIRouter, door: Door, api: KubeApi) -> Streams:
    """Add the operations that show the log of a run to a router; return the logs that are open."""
    operations = Operations(router, RUN_SOURCE.resource.plural, RUN_ID)
    logs = _Logs(door, api)
    operations.add("GET", "/runs/{id}/log", "get", logs.read_run_log, str, right=_RIGHT, media="text/plain")
    operations.add("GET", "/log/{id}", "get", logs.read_log, str, right=_RIGHT, media="text/plain")
    return logs.streams
