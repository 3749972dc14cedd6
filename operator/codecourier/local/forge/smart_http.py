"""Git's smart HTTP protocol, version 2 included: `git http-backend` behind our credentials.

The body of a request is spooled to a file first, so that no pipe can block. A fetch is streamed. The answer to a push
goes to a file: receive-pack then ends, with its hooks, whether or not the client or the forge are still there.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from codecourier.local.forge import hook
from codecourier.local.forge.accounts import Principal
from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.git import environment
from codecourier.local.forge.push_report import with_reasons
from codecourier.local.forge.records import Protection, Repository

__all__ = ["PUSH_REFUSAL_STATE", "git_routes"]

PUSH_REFUSAL_STATE = "push_refusal"
"""Key in a request's state: the sentence of the hook that refuses the push."""

_CHUNK_BYTES = 64 * 1024

_SCANNED_BYTES = 1024 * 1024
"""How much of a fetch's request is read to tell a clone from an update."""

_PUSH, _FETCH = "git-receive-pack", "git-upload-pack"

_CHALLENGE = {"www-authenticate": 'Basic realm="GitHub"'}


def git_routes(forge: Forge) -> list[Route]:
    """Return the routes below `/<owner>/<repository>.git`."""

    async def advertise(request: Request) -> Response:
        return await _serve(forge, request, request.query_params.get("service", ""), "info/refs")

    async def fetch(request: Request) -> Response:
        return await _serve(forge, request, _FETCH, _FETCH)

    async def push(request: Request) -> Response:
        return await _serve(forge, request, _PUSH, _PUSH)

    return [
        Route("/{owner}/{repo}/info/refs", advertise, methods=["GET"]),
        Route("/{owner}/{repo}/git-upload-pack", fetch, methods=["POST"]),
        Route("/{owner}/{repo}/git-receive-pack", push, methods=["POST"]),
    ]


async def _serve(forge: Forge, request: Request, service: str, target: str) -> Response:
    try:
        repository, principal = await run_in_threadpool(_admit, forge, request, service)
    except RefusedError as error:
        response: Response = PlainTextResponse(f"{error.message}\n", error.status, error.headers)
    else:
        response = await _run(forge, request, repository, principal, target)
    with forge.store.lock:
        key = f"{request.method} /{{owner}}/{{repo}}.git/{target} {service} {response.status_code}"
        forge.store.write(counts=[("requests", key)])
    return response


def _admit(forge: Forge, request: Request, service: str) -> tuple[Repository, Principal | None]:
    """Return the repository and the sender, if the sender may use the service.

    Raises
    ------
    RefusedError
        401 without a good credential, 404 for what it may not see, 403 for a missing permission.
    """
    with forge.store.lock:
        try:
            principal = forge.tokens.principal(request.headers.get("authorization"))
        except RefusedError as error:
            message = "Invalid username or token. Password authentication is not supported for Git operations."
            raise RefusedError(401, message, headers=_CHALLENGE) from error
        name = request.path_params["repo"].removesuffix(".git")
        repository = forge.repositories.find(request.path_params["owner"], name)
        if service not in {_PUSH, _FETCH}:
            raise RefusedError(403, "Please upgrade your git client. Only smart HTTP is supported.")
        if principal is None and (repository is None or repository.private or service == _PUSH):
            raise RefusedError(401, "No anonymous write access." if service == _PUSH else "Authentication required.",
                             headers=_CHALLENGE)  # fmt: skip
        if repository is None or (principal is not None and not principal.sees(repository)):
            raise RefusedError(404, "Repository not found.")
        level = "write" if service == _PUSH else "read"
        if principal is not None and not principal.may(repository, "contents", level):
            raise RefusedError(
                403, "Write access to repository not granted." if service == _PUSH else "Read access denied."
            )
        forge.follow(repository)
        return repository, principal


async def _run(
    forge: Forge, request: Request, repository: Repository, principal: Principal | None, target: str
) -> Response:
    with tempfile.TemporaryFile(dir=forge.settings.spool) as body:
        async for chunk in request.stream():
            body.write(chunk)
        size = body.tell()
        body.seek(0)
        variables = _variables(forge, request, repository, principal, target, size)
        if target == _PUSH:
            variables |= await run_in_threadpool(_push_variables, forge, request, repository, principal)
            # A thread is never cancelled: the push of a client that gave up is finished, as real forges do.
            return await run_in_threadpool(_push, forge, repository, body, variables)
        if target == _FETCH:
            await run_in_threadpool(_count_fetch, forge, repository, body)
        process = await run_in_threadpool(_start, body, variables, subprocess.PIPE)
    return await _stream(process)


def _variables(
    forge: Forge, request: Request, repository: Repository, principal: Principal | None, target: str, size: int
) -> dict[str, str]:
    path = forge.repositories.git(repository).path
    variables = {
        **environment(forge.settings.state_dir),
        "GIT_PROJECT_ROOT": str(forge.settings.repositories),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{path.relative_to(forge.settings.repositories)}/{target}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.url.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(size),
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_USER": principal.login if principal else "",
    }
    for header, name in (("content-encoding", "HTTP_CONTENT_ENCODING"), ("git-protocol", "GIT_PROTOCOL")):
        if header in request.headers:
            variables[name] = request.headers[header]
    return variables


def _push_variables(
    forge: Forge, request: Request, repository: Repository, principal: Principal | None
) -> dict[str, str]:
    with forge.store.lock:
        rules = forge.store.of_repository(Protection, repository.id)
        policy = {
            "refusal": getattr(request.state, PUSH_REFUSAL_STATE, None),
            "workflows": principal is not None and principal.may(repository, "workflows", "write"),
            "holder": principal.holder if principal else "personal",
            "protected": {f"refs/heads/{rule.branch}": rule.model_dump(mode="json") for rule in rules},
        }
    with tempfile.NamedTemporaryFile(dir=forge.settings.spool, delete=False) as reasons:
        return {
            hook.POLICY_VARIABLE: json.dumps(policy),
            hook.REASONS_VARIABLE: reasons.name,
            hook.LOGIN_VARIABLE: principal.login if principal else "",
            hook.PYTHON_VARIABLE: sys.executable,
            hook.PROGRAM_VARIABLE: str(Path(hook.__file__).resolve()),
        }


def _push(forge: Forge, repository: Repository, body: IO[bytes], variables: dict[str, str]) -> Response:
    reasons_file = Path(variables[hook.REASONS_VARIABLE])
    with tempfile.TemporaryFile(dir=forge.settings.spool) as answer:
        _start(body, variables, answer).wait()
        answer.seek(0)
        head, _, content = answer.read().partition(b"\r\n\r\n")
    status, headers = _parse_head(head)
    reasons = dict(line.split(" ", 1) for line in reasons_file.read_text(encoding="utf-8").splitlines())
    reasons_file.unlink()
    with forge.store.lock:
        forge.follow(repository)
    return Response(with_reasons(content, reasons), status, headers)


def _count_fetch(forge: Forge, repository: Repository, body: IO[bytes]) -> None:
    beginning = body.read(_SCANNED_BYTES)
    body.seek(0)
    if beginning.startswith(b"\x1f\x8b"):
        beginning = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(beginning)
    if b"want " in beginning:
        topic = "fetches" if b"have " in beginning else "clones"
        with forge.store.lock:
            forge.store.write(counts=[(topic, repository.full_name)])


def _start(body: IO[bytes], variables: dict[str, str], output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    # In its own session: a signal that ends the forge must not end a push half-way.
    return subprocess.Popen(
        ["git", "http-backend"],
        stdin=body,
        stdout=output,
        stderr=subprocess.DEVNULL,
        env=variables,
        start_new_session=True,
    )


async def _stream(process: subprocess.Popen[bytes]) -> Response:
    output = process.stdout
    if not isinstance(output, io.BufferedReader):
        raise TypeError("git http-backend was started without a pipe")
    status, headers = _parse_head(await run_in_threadpool(_read_head, output))

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while chunk := await run_in_threadpool(output.read1, _CHUNK_BYTES):
                yield chunk
        finally:
            # Where the client went away, the closed pipe ends git.
            output.close()
            process.wait()

    return StreamingResponse(chunks(), status, headers)


def _read_head(output: IO[bytes]) -> bytes:
    head = bytearray()
    while (line := output.readline()).strip():
        head += line
    return bytes(head)


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    headers = {}
    for line in head.decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    status = int(headers.pop("status", "200").split(" ", 1)[0])
    return status, headers
