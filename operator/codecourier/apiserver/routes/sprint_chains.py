"""The operations on sprint chains."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from codecourier.apiserver.answers import Data, Page, answer
from codecourier.apiserver.ids import SPRINT_CHAIN_ID, read_id
from codecourier.apiserver.listing import Listing
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.shared import IdempotencyKey, PartOfList, find_object, find_repository_url
from codecourier.apiserver.views.chain_wishes import (
    ChainChange,
    ChainResume,
    cancel_chain,
    change_chain,
    pause_chain,
    resume_chain,
    unpause_chain,
)
from codecourier.apiserver.views.sprint_chain import (
    NAMES,
    ChainCreation,
    ChainDetail,
    ChainState,
    ChainView,
    build_chain_spec,
    is_accepted,
    view_chain,
    view_chain_detail,
    view_created_chain,
    view_deleted_chain,
)
from codecourier.apiserver.writing import Creation
from codecourier.core.shared.naming import ANNOTATION_STOP_NOW
from codecourier.kinds.sources import SPRINT_CHAIN_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.sprint_chain import SprintChain

__all__ = ["add_sprint_chains"]

_PATH = "/sprint-chains"
_ONE = f"{_PATH}/{{id}}"
_RESUME = ChainResume()


class _Chains:
    def __init__(self, door: Door, accept_wait_seconds: float) -> None:
        self._door = door
        self._list = Listing(door, SPRINT_CHAIN_SOURCE, view_chain)
        self._accept_wait_seconds = accept_wait_seconds

    async def list_sprint_chains(self, request: Request, query: PartOfList) -> Response:
        """List the sprint chains of the project, newest first."""
        return self._list.answer(caller_of(request).namespace, query)

    async def get_sprint_chain(self, request: Request, id: str) -> Response:  # noqa: A002
        """Get a sprint chain with its sprints."""
        return answer(view_chain_detail(self._find(request, id)))

    async def create_sprint_chain(self, request: Request, body: ChainCreation, key: IdempotencyKey = None) -> Response:
        """Create and start a sprint chain."""
        caller = caller_of(request)
        served = self._door.served
        url = find_repository_url(served, caller, body.github_repo_url, body.workflow_id, "workflowId")
        spec = build_chain_spec(body, url)
        creation = Creation(caller, _PATH, body.prompt, body.model_dump(mode="json"), key)
        chain = await self._door.writer.create(SPRINT_CHAIN_SOURCE, creation, spec, NAMES)
        seconds = self._accept_wait_seconds
        seen = await served.wait(SPRINT_CHAIN_SOURCE, caller.namespace, chain.name, is_accepted, seconds)
        return answer(view_created_chain(seen or chain), HTTPStatus.CREATED)

    async def delete_sprint_chain(self, request: Request, id: str, *, force: bool = False) -> Response:  # noqa: A002
        """Cancel and delete a sprint chain. The active sprint may finish; with `force` it stops now."""
        chain = self._find(request, id)
        if force:
            chain = await self._door.writer.change(
                SPRINT_CHAIN_SOURCE, caller_of(request), chain.name, _stop_now, NAMES
            )
        left = chain if chain.is_deleting else await self._door.writer.delete(SPRINT_CHAIN_SOURCE, chain)
        return answer(view_deleted_chain(chain.name, left), changed=chain)

    async def pause_sprint_chain(self, request: Request, id: str) -> Response:  # noqa: A002
        """Pause a sprint chain: the active sprint goes on, no further one starts."""
        return await self._change(request, id, pause_chain)

    async def unpause_sprint_chain(self, request: Request, id: str) -> Response:  # noqa: A002
        """End the pause of a sprint chain."""
        return await self._change(request, id, unpause_chain)

    async def cancel_sprint_chain(self, request: Request, id: str) -> Response:  # noqa: A002
        """Cancel a sprint chain: the active sprint stops, no further one starts. The chain stays, to be resumed."""
        return await self._change(request, id, cancel_chain)

    async def resume_sprint_chain(self, request: Request, id: str, body: ChainResume = _RESUME) -> Response:  # noqa: A002
        """Start a finished sprint chain again, as a new attempt. The body may be empty."""
        return await self._change(request, id, lambda chain: resume_chain(chain, body.from_sprint))

    async def update_sprint_chain(self, request: Request, id: str, body: ChainChange) -> Response:  # noqa: A002
        """Change a sprint chain: whether it is paused."""
        return await self._change(request, id, lambda chain: change_chain(chain, body))

    async def _change(self, request: Request, text: str, build: Callable[[SprintChain], Json]) -> Response:
        name = read_id(text, SPRINT_CHAIN_ID)
        chain = await self._door.writer.change(SPRINT_CHAIN_SOURCE, caller_of(request), name, build, NAMES)
        return answer(view_chain(chain), changed=chain)

    def _find(self, request: Request, text: str) -> SprintChain:
        return find_object(self._door.served, SPRINT_CHAIN_SOURCE, request, text, SPRINT_CHAIN_ID)


def _stop_now(chain: SprintChain) -> Json:
    if chain.metadata.annotations.get(ANNOTATION_STOP_NOW) == "true":
        return {}
    return {"metadata": {"annotations": {ANNOTATION_STOP_NOW: "true"}}}


def add_sprint_chains(router: APIRouter, door: Door, accept_wait_seconds: float) -> None:
    """Add the operations on sprint chains to a router."""
    chains = _Chains(door, accept_wait_seconds)
    operations = Operations(router, SPRINT_CHAIN_SOURCE.resource.plural, SPRINT_CHAIN_ID)
    operations.add("GET", _PATH, "list", chains.list_sprint_chains, Page[ChainView])
    operations.add("POST", _PATH, "create", chains.create_sprint_chain, Data[ChainState], status=HTTPStatus.CREATED)
    operations.add("GET", _ONE, "get", chains.get_sprint_chain, Data[ChainDetail])
    operations.add("DELETE", _ONE, "delete", chains.delete_sprint_chain, Data[ChainState])
    conflict = (HTTPStatus.CONFLICT,)
    operations.add("PATCH", _ONE, "update", chains.update_sprint_chain, Data[ChainView], errors=conflict)
    operations.add("POST", f"{_ONE}/pause", "update", chains.pause_sprint_chain, Data[ChainView], errors=conflict)
    operations.add("POST", f"{_ONE}/unpause", "update", chains.unpause_sprint_chain, Data[ChainView], errors=conflict)
    operations.add("POST", f"{_ONE}/cancel", "update", chains.cancel_sprint_chain, Data[ChainView], errors=conflict)
    operations.add("POST", f"{_ONE}/resume", "update", chains.resume_sprint_chain, Data[ChainView], errors=conflict)
