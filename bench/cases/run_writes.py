"""What one Run costs the API server from its creation to its deletion, counted in the audit log."""

from __future__ import annotations

from bench.arena import Arena
from bench.audit import OPERATOR_AGENTS, Write, tally
from bench.cases.settled import is_project_ready, is_run_over
from bench.project import build_run, create_project
from bench.report import CaseResult, Figure, Target
from bench.watching import watched
from codecourier.core.shared.naming import LABEL_MANAGED
from codecourier.kinds.api_resources import PROJECTS, RUNS, SANDBOXES
from codecourier.kube.api import PODS, SECRETS

__all__ = ["measure_run_writes"]

_LIVES = 3
"""Runs that are measured one after the other; the figures are means."""

_MOST_WRITES = {"bench-writes": 10, "bench-writes-pulls": 14}
_MOST_EVENTS = 4


async def measure_run_writes(arena: Arena) -> CaseResult:
    """Let Runs live one after the other, without and with a pull request."""
    figures: list[Figure] = []
    details: dict[str, object] = {"lives": _LIVES}
    async with arena.operator():
        for namespace, most in _MOST_WRITES.items():
            await create_project(arena.api, namespace, arena.repository)
            async with watched(arena.api, PROJECTS, namespace, is_project_ready) as projects:
                await projects.wait_for(1, 30)
            start = await arena.mark("writes")
            for number in range(_LIVES):
                await _live(arena, namespace, f"life-{number}")
            writes = arena.writes(start, await arena.mark("writes"))
            words = "with a pull request" if "pulls" in namespace else "nothing to change"
            figures += _figures(words, writes, most)
            agents = sorted({write.agent for write in writes})
            details[words] = {
                agent: tally(writes, lambda w, a=agent: w.agent == a).by_label  # type: ignore[misc]
                for agent in agents
            }
            arena.report(f"writes of {_LIVES} Runs, {words}, by the operator:")
            for label, count in tally(writes, _is_ours).by_label.items():
                arena.report(f"  {count / _LIVES:5.1f} a Run  {label}")
    return CaseResult("writes", tuple(figures), details)


async def _live(arena: Arena, namespace: str, name: str) -> None:
    async with watched(arena.api, RUNS, namespace, is_run_over) as runs:
        made = await arena.api.create(RUNS, build_run(namespace, name))
        if "pulls" in namespace:
            arena.repository.push_for(made)
        await runs.wait_for(1, 60)
    await arena.api.delete(RUNS, namespace, name)

    async def is_gone() -> bool:
        lists = [await arena.api.list(resource, namespace) for resource in (RUNS, SANDBOXES, PODS)]
        secrets = await arena.api.list(SECRETS, namespace, label_selector=f"{LABEL_MANAGED}=true")
        return not any(listed.items for listed in (*lists, secrets))

    await arena.wait_until(is_gone, "a deleted Run and what belonged to it are gone")


def _is_ours(write: Write) -> bool:
    return write.agent in OPERATOR_AGENTS


def _figures(words: str, writes: list[Write], most: int) -> list[Figure]:
    ours = tally(writes, _is_ours)
    all_clients = tally(writes)
    return [
        Figure(f"operator, {words}", ours.objects / _LIVES, "writes/Run", target=Target(most, is_lower=False)),
        Figure(f"Events, {words}", ours.events / _LIVES, "/Run", target=Target(_MOST_EVENTS, is_lower=False)),
        Figure(f"all clients, {words}", all_clients.objects / _LIVES, "writes/Run"),
    ]
