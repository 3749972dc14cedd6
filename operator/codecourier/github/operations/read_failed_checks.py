"""Read which checks of a commit have failed, and what they say of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError
from codecourier.github.gateway import Request
from codecourier.github.needs import Need
from codecourier.github.operations.read_gate import ChecksForbidden
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["MOST_CHECKS", "TEXT_MAX_CHARS", "FailedCheckView", "ReadFailedChecks", "describe_annotation"]

MOST_CHECKS = 20
"""How many failed checks are read; what the first ones say is most of what can be said."""

TEXT_MAX_CHARS = 16 * 1024
"""Longest text of a check in characters; of a longer one the end counts, as logs say there what went wrong."""

_MOST_ANNOTATED = 5
"""Of how many failed checks the annotations are read: one request each."""

_MOST_ANNOTATIONS = 30
_PART_MAX_CHARS = 8 * 1024
_NAME_MAX_LENGTH = 256
_PAGE_SIZE = 100
_FAILED = frozenset({"failure", "cancelled", "timed_out", "action_required", "startup_failure"})
_FAILED_STATES = frozenset({"failure", "error"})

_READ = Need((("checks", "read"), ("contents", "read"), ("statuses", "read")), ChecksForbidden)
_FORBIDDEN = Refusal(
    frozenset({403}),
    ChecksForbidden,
    "the credential may not read checks: it needs the permissions checks: read and commit statuses: read",
)


class _NoAnnotations(ForgeError):
    """The annotations of a check cannot be read."""


_UNREADABLE = Refusal(frozenset({403, 404}), _NoAnnotations, "the annotations cannot be read")


@dataclass(frozen=True)
class FailedCheckView:
    """A check that has failed."""

    name: str
    text: str
    """Title, summary, annotations and text of a check run, or the description of a status; empty without any."""


@dataclass(frozen=True)
class ReadFailedChecks(Operation[tuple[FailedCheckView, ...]]):
    """Read the failed check runs and statuses at a commit, ordered by name.

    https://docs.github.com/rest/checks/runs#list-check-runs-for-a-git-reference, with
    https://docs.github.com/rest/checks/runs#list-check-run-annotations for the first ones, and
    https://docs.github.com/rest/commits/statuses#get-the-combined-status-for-a-specific-reference. GitHub Actions names
    its own errors, and those of test runners that report them, as annotations.
    """

    commit: str
    """Whose checks are read."""

    def run(self, session: Session) -> tuple[FailedCheckView, ...]:
        """See `Operation.run`.

        Raises
        ------
        ChecksForbidden
            If the credential may not read checks.
        """
        found = sorted((*self._runs(session), *self._statuses(session)), key=lambda check: (check.name, check.text))
        return tuple(found[:MOST_CHECKS])

    def _runs(self, session: Session) -> Iterator[FailedCheckView]:
        failed = [
            run
            for run in self._list(session, "check-runs", "check_runs", filter="latest")
            if run.at("status").data == "completed" and run.at("conclusion").word() in _FAILED
        ]
        for number, run in enumerate(failed[:MOST_CHECKS]):
            output = run.at("output")
            parts = [_text(output.at("title")), _text(output.at("summary"))]
            if number < _MOST_ANNOTATED and (output.at("annotations_count").data or 0):
                parts += self._annotations(session, run.at("id").number())
            parts.append(_text(output.at("text")))
            yield FailedCheckView(_name(run.at("name")), _join(parts))

    def _annotations(self, session: Session, number: int) -> list[str]:
        path = f"{session.address.path}/check-runs/{number}/annotations"
        query = {"per_page": _MOST_ANNOTATIONS}
        try:
            found = session.send(Request("GET", path, query=query, refusals=(_UNREADABLE,), need=_READ)).items()
        except _NoAnnotations:
            return []
        return [describe_annotation(place) for place in found[:_MOST_ANNOTATIONS]]

    def _statuses(self, session: Session) -> Iterator[FailedCheckView]:
        for status in self._list(session, "status", "statuses"):
            if status.at("state").word() in _FAILED_STATES:
                yield FailedCheckView(_name(status.at("context")), _text(status.at("description")))

    def _list(self, session: Session, what: str, key: str, **query: str) -> list[Field]:
        path = f"{session.address.path}/commits/{self.commit}/{what}"
        asked = {"per_page": _PAGE_SIZE, **query}
        return session.send(Request("GET", path, query=asked, refusals=(_FORBIDDEN,), need=_READ)).at(key).items()


def describe_annotation(place: Field) -> str:
    """Return a remark of a check on a line of a file as one line: `total.py:7: got 3, want 4`."""
    line = place.at("start_line").data
    where = f"{_text(place.at('path'))[:_NAME_MAX_LENGTH]}:{line if isinstance(line, int) else 0}"
    return f"{where}: {_text(place.at('message'))[:1024]}"


def _join(parts: list[str]) -> str:
    return "\n".join(filter(None, parts))[-TEXT_MAX_CHARS:]


def _text(place: Field) -> str:
    return place.data[-_PART_MAX_CHARS:] if isinstance(place.data, str) else ""


def _name(place: Field) -> str:
    return place.text()[:_NAME_MAX_LENGTH]
