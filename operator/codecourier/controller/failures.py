"""Answers what plans ask about failed checks."""

from __future__ import annotations

from codecourier.controller.ask_host import AskHost
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.failure_facts import FailedCheck, FailedChecksAsk, FailedChecksFact
from codecourier.github.operations.read_failed_checks import ReadFailedChecks

__all__ = ["FailureReader"]


class FailureReader:
    """Reads what failed checks say, as they are now.

    Parameters
    ----------
    ask_host
        Carries out an operation.
    """

    def __init__(self, ask_host: AskHost) -> None:
        self._ask_host = ask_host

    async def read(self, ask: FailedChecksAsk) -> FailedChecksFact | Problem:
        """Read the failed checks of a commit."""
        found = await self._ask_host(ask.repository, ReadFailedChecks(ask.commit))
        if isinstance(found, Problem):
            return found
        return FailedChecksFact(tuple(FailedCheck(check.name, check.text) for check in found))
