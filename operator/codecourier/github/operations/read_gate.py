"""Read what a merge into a branch has to wait for: the required checks, and all checks at a commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from codecourier.checks import Check, CheckState, Gate, MergeStrategy, RequiredCheck
from codecourier.github.address import quote_branch
from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import CredentialsRefused, ForgeNotFound
from codecourier.github.gateway import Request
from codecourier.github.needs import Need
from codecourier.github.operations.branch_rules import read_rules
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["ChecksForbidden", "ReadGate"]

_PAGE_SIZE = 100
_MOST_PAGES = 5
"""How many pages of each list are read; a commit with more checks counts as not settled."""

_NAME_MAX_LENGTH = 4096
"""Longest name of a check that is compared with the required ones; a longer one is cut, and answers none of them."""

_PASSED = frozenset({"success", "neutral", "skipped"})
"""Conclusions that let a merge pass:
https://docs.github.com/pull-requests/collaborating-with-pull-requests/collaborating-on-repositories-with-code-quality-features/about-status-checks
"""

_METHODS = {strategy.value.upper(): strategy for strategy in MergeStrategy}
"""GitHub's words for how a merge queue merges."""

_STATUSES = {"success": CheckState.PASSED, "pending": CheckState.PENDING}
"""What the states of commit statuses mean; all others are failures."""


class ChecksForbidden(CredentialsRefused):
    """The credential may not read the checks, so no merge can be let through."""


_READ = Need((("checks", "read"), ("contents", "read"), ("statuses", "read")), ChecksForbidden)
_FORBIDDEN = Refusal(
    frozenset({403}),
    ChecksForbidden,
    "the credential may not read checks: it needs the permissions checks: read and commit statuses: read",
)


@dataclass(frozen=True)
class ReadGate(Operation[Gate]):
    """Read the required checks of a branch, from rulesets and from its protection, and the checks at a commit.

    https://docs.github.com/rest/repos/rules#get-rules-for-a-branch, and the branch itself, which shows the checks that
    its protection requires to readers too: the protection's own address is for administrators only.
    """

    branch: str
    """Short name of the base branch."""

    commit: str
    """Whose checks are read."""

    def run(self, session: Session) -> Gate:
        """See `Operation.run`.

        Raises
        ------
        ChecksForbidden
            If the credential may not read checks.
        """
        rules = read_rules(session, self.branch, _READ)
        protection = self._protection(session)
        checks = [*self._runs(session), *self._statuses(session)]
        suites, are_all_suites = self._list(session, "check-suites", "check_suites")
        queue = next((rule for rule in rules if rule.at("type").data == "merge_queue"), None)
        unfinished = [suite for suite in suites if _has_runs(suite) and suite.at("status").data != "completed"]
        return Gate(
            required=tuple(sorted({*_required_by_rules(rules), *protection}, key=lambda check: check.name)),
            has_queue=queue is not None,
            queue_strategy=None if queue is None else _METHODS.get(queue.at("parameters", "merge_method").data),
            checks=tuple(sorted(checks, key=lambda check: (check.name, check.app or 0, check.word))),
            unfinished_suites=len(unfinished),
            is_whole=are_all_suites and len(checks) < _MOST_PAGES * _PAGE_SIZE,
        )

    def _protection(self, session: Session) -> Iterator[RequiredCheck]:
        path = f"{session.address.path}/branches/{quote_branch(self.branch).replace('/', '%2F')}"
        place = session.send(Request("GET", path, need=_READ))
        if place.at("name").data != self.branch:
            raise ForgeNotFound(f"{place.what}: the host answers with another branch")
        required = place.at("protection", "required_status_checks")
        names = {RequiredCheck(_name(name), None) for name in _items(required.at("contexts"))}
        of_apps = {
            RequiredCheck(_name(item.at("context")), _app(item.at("app_id"))) for item in _items(required.at("checks"))
        }
        narrowed = {check.name for check in of_apps}
        yield from {*of_apps, *(check for check in names if check.name not in narrowed)}

    def _runs(self, session: Session) -> Iterator[Check]:
        runs, _ = self._list(session, "check-runs", "check_runs", filter="latest")
        for run in runs:
            is_over = run.at("status").data == "completed" and run.at("conclusion").data is not None
            conclusion = run.at("conclusion").word()
            state = CheckState.FAILED if is_over else CheckState.PENDING
            yield Check(
                name=_name(run.at("name")),
                app=_app(run.at("app", "id")),
                state=CheckState.PASSED if is_over and conclusion in _PASSED else state,
                word=_word(conclusion if is_over else run.at("status").word()),
                change_time=_time(run.at("completed_at")) or _time(run.at("started_at")),
            )

    def _statuses(self, session: Session) -> Iterator[Check]:
        found, _ = self._list(session, "status", "statuses")
        for status in found:
            state = status.at("state").word()
            yield Check(
                name=_name(status.at("context")),
                app=None,
                state=_STATUSES.get(state, CheckState.FAILED),
                word=_word(state),
                change_time=_time(status.at("updated_at")) or _time(status.at("created_at")),
            )

    def _list(self, session: Session, what: str, key: str, **query: str) -> tuple[list[Field], bool]:
        """Return what is listed at the commit, and whether that is everything."""
        found: list[Field] = []
        for number in range(1, _MOST_PAGES + 1):
            asked: Mapping[str, Any] = {"per_page": _PAGE_SIZE, "page": number, **query}
            path = f"{session.address.path}/commits/{self.commit}/{what}"
            page = session.send(Request("GET", path, query=asked, refusals=(_FORBIDDEN,), need=_READ)).at(key).items()
            found += page
            if len(page) < _PAGE_SIZE:
                return found, True
        return found, False


def _required_by_rules(rules: list[Field]) -> Iterator[RequiredCheck]:
    for rule in rules:
        if rule.at("type").data == "required_status_checks":
            for item in _items(rule.at("parameters", "required_status_checks")):
                yield RequiredCheck(_name(item.at("context")), _app(item.at("integration_id")))


def _items(place: Field) -> list[Field]:
    return [] if place.data is None else place.items()


def _has_runs(suite: Field) -> bool:
    return suite.at("latest_check_runs_count").data not in (0, None)


def _name(place: Field) -> str:
    name = place.word()
    return name[: _NAME_MAX_LENGTH - 1] + "…" if len(name) > _NAME_MAX_LENGTH else place.text(_NAME_MAX_LENGTH)


def _word(word: str) -> str:
    return word[:32] or "unknown"


def _app(place: Field) -> int | None:
    """Return the number of an App; None, and GitHub's -1: any."""
    return place.data if isinstance(place.data, int) and place.data > 0 else None


def _time(place: Field) -> datetime | None:
    return None if place.data is None else place.time()
