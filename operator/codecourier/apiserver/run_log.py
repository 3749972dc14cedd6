"""What a try of a Run has written: the logs of its pod's containers, or what is kept once the pod is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from codecourier.apiserver.refusal import Refusal
from codecourier.core.run.status import attempt_status
from codecourier.core.shared.naming import sandbox_name
from codecourier.kube.api import KubeApi
from codecourier.kube.errors import ApiError, KubeError
from codecourier.redaction import LogRedaction, redact
from codecourier.resources.run import Run, Try
from codecourier.resources.sandbox import Sandbox, Step

__all__ = ["CONTAINERS", "MOST_TRIES", "LogQuery", "RunLog", "find_try", "pod_name", "render_kept"]

CONTAINERS = ("checkout", "agent", "verify", "collect", "publish")
"""The containers of a pod in the order in which they run."""

_WAIT_SECONDS = 1.0
"""How often a container that waits to start is asked for."""


MOST_TRIES = 100
"""Most tries of an attempt."""


@dataclass(frozen=True)
class LogQuery:
    """Which part of a log is asked for."""

    container: str | None = None
    """None: all, one after another."""

    tail_lines: int | None = None
    """Only the last lines of each container; None: all."""

    is_followed: bool = False
    """Whether it goes on until the try is over."""

    @property
    def containers(self) -> tuple[str, ...]:
        """The containers that are asked for."""
        return CONTAINERS if self.container is None else (self.container,)

    def heading(self, container: str) -> str:
        """Return what stands before the log of a container."""
        return f"==> {container} <==\n" if self.container is None else ""


def find_try(run: Run, attempt: int | None, number: int | None, kept: Callable[[str], Sandbox | None]) -> Try:
    """Return a try of a Run.

    Parameters
    ----------
    run
        The Run.
    attempt
        Number of the attempt; None: the present one.
    number
        Number of the try within it; None: the last one.
    kept
        Returns the Sandbox of a name; None: it is not there any more.

    Raises
    ------
    Refusal
        404 if there is no such try, or nothing is kept of it.
    """
    status = attempt_status(run)
    if attempt is not None and attempt != status.attempt:
        if attempt > status.attempt:
            raise Refusal(HTTPStatus.NOT_FOUND, f"The run has no attempt {attempt}. Its last one is {status.attempt}.")
        return _find_earlier_try(run, attempt, number, kept)
    if not status.tries:
        message = f"The run has no sandbox yet, so it has no log. {status.message}".strip()
        raise Refusal(HTTPStatus.NOT_FOUND, message)
    found = status.tries[-1] if number is None else next((t for t in status.tries if t.number == number), None)
    if found is None:
        message = f"Attempt {status.attempt} of the run has no try {number}. It has had {len(status.tries)}."
        raise Refusal(HTTPStatus.NOT_FOUND, message)
    return found


def pod_name(run: Run, attempt: int | None, number: int) -> str:
    """Return the name of the pod of a try; None: of the present attempt.

    It is not the name that a status gives: a user who can write one could read any pod of the namespace by it.
    """
    return sandbox_name(run.name, run.uid, attempt or attempt_status(run).attempt, number)


def _find_earlier_try(run: Run, attempt: int, number: int | None, kept: Callable[[str], Sandbox | None]) -> Try:
    """Return a try of an attempt that the status has no more, from its Sandbox."""
    for wanted in range(MOST_TRIES, 0, -1) if number is None else (number,):
        sandbox = kept(sandbox_name(run.name, run.uid, attempt, wanted))
        if sandbox is not None and sandbox.spec.run_ref.uid == run.uid:
            phase, message = sandbox.status.phase, sandbox.status.message or None
            return Try(number=wanted, sandbox=sandbox.name, phase=phase, message=message)
    what = f"attempt {attempt}" if number is None else f"try {number} of attempt {attempt}"
    raise Refusal(HTTPStatus.NOT_FOUND, f"Nothing is kept of {what}: there was none, or its sandbox is deleted.")


class RunLog:
    """The log of one try.

    Parameters
    ----------
    api
        The cluster's API server.
    run
        The Run.
    pod
        Name of the try's pod, by `pod_name`.
    query
        What of it is asked for.
    is_over
        Returns whether the try is over by now.
    """

    def __init__(self, api: KubeApi, run: Run, pod: str, query: LogQuery, is_over: Callable[[], bool]) -> None:
        self._api = api
        self._namespace = run.namespace
        self._pod = pod
        self._query = query
        self._is_over = is_over

    async def read(self) -> AsyncGenerator[bytes]:
        """Yield the parts of the log, without what looks like a credential.

        Raises
        ------
        KubeError
            If nothing could be read; NotFound: the pod is gone. An error that comes later ends the log with a sentence.
        """
        has_begun = False
        try:
            for container in self._query.containers:
                async for part in self._of_container(container):
                    has_begun = True
                    yield part
        except KubeError as error:
            if not has_begun:
                raise
            yield f"\n# The cluster does not give the rest of the log: {redact(str(error))}\n".encode()
            return
        if not has_begun:
            yield b"# The containers have written nothing yet.\n"

    async def _of_container(self, container: str) -> AsyncGenerator[bytes]:
        has_waited = False
        while True:
            try:
                async for part in self._present(container):
                    yield part
            except ApiError as error:
                if error.status != HTTPStatus.BAD_REQUEST:
                    raise
                # Otherwise the pod has no container of this name.
                waits = self._query.is_followed and "waiting to start" in error.message
            else:
                return
            if not waits or self._is_over():
                return
            if not has_waited:
                yield f"# Container {container} waits to start.\n".encode()
                has_waited = True
            await asyncio.sleep(_WAIT_SECONDS)

    async def _present(self, container: str) -> AsyncGenerator[bytes]:
        redaction, heading = LogRedaction(), self._query.heading(container).encode()
        async for part in self._stream(container):
            if shown := redaction.feed(part):
                yield heading + shown
                heading = b""
        if rest := redaction.close():
            yield heading + rest

    def _stream(self, container: str) -> AsyncGenerator[bytes]:
        query = self._query
        return self._api.stream_log(
            self._namespace, self._pod, container, is_followed=query.is_followed, tail_lines=query.tail_lines
        )


def render_kept(done: Try, sandbox: Sandbox | None, query: LogQuery) -> str:
    """Return what the statuses keep of a try whose pod is gone, as a text for people."""
    lines = [f"# The pod of try {done.number} is gone, and its log with it. This is what the statuses keep of it."]
    for step in () if sandbox is None else sandbox.status.steps:
        if step.name in query.containers:
            lines += _render(step, query)
    if done.message:
        lines.append(f"# {done.phase}: {done.message}")
    result = None if sandbox is None else sandbox.status.result
    if result is not None and result.summary:
        lines.append(f"# The agent's summary: {result.summary}")
    lines.append(f"# What the try consumed is in UsageRecord {done.sandbox}, if it has run.")
    return redact("\n".join(lines) + "\n")


def _render(step: Step, query: LogQuery) -> Iterator[str]:
    if heading := query.heading(step.name):
        yield heading.rstrip()
    reason = "" if step.reason is None else f" ({step.reason})"
    yield f"# It ended with exit code {step.exit_code}{reason}."
    if step.message:
        yield step.message
