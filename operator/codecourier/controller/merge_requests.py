"""The numbers of merges that hosts work on in the background."""

from __future__ import annotations

from collections import OrderedDict

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import MergePullRequest, target_of
from codecourier.core.shared.reasons import Reason

__all__ = ["MergeRequests"]

_MOST_REMEMBERED = 1000
_VERDICTS = frozenset({Reason.MERGE_REFUSED, Reason.MERGE_RACED})

_Key = tuple[str, ...]


class MergeRequests:
    """Remembers each number until its merge has a verdict, also while the host does not answer.

    A number that is forgotten makes another request, and then nothing says why the first one was refused.
    """

    def __init__(self) -> None:
        self._numbers: OrderedDict[_Key, str] = OrderedDict()

    def find(self, effect: MergePullRequest) -> str | None:
        """Return the number of the request for a merge; None: there is none that is known."""
        return self._numbers.get(_key(effect))

    def note(self, effect: MergePullRequest, number: str | None) -> None:
        """Keep what a host answered: the number of a merge that it works on, or none once it has ended."""
        self._numbers.pop(_key(effect), None)
        if number is not None:
            self._numbers[_key(effect)] = number
            if len(self._numbers) > _MOST_REMEMBERED:
                self._numbers.popitem(last=False)

    def note_problem(self, effect: MergePullRequest, problem: Problem) -> None:
        """Forget the request if the problem is the host's verdict."""
        if problem.is_final or problem.reason in _VERDICTS:
            self._numbers.pop(_key(effect), None)


def _key(effect: MergePullRequest) -> _Key:
    """Return what one merge has in common with whichever credential it is asked for."""
    access = effect.repository
    place = () if isinstance(access, Problem) else (access.namespace, access.url)
    return (*place, *(target_of(effect) or ()), effect.strategy.value, str(effect.has_queue))
