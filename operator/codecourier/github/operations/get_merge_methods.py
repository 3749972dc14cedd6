"""Find out how pull requests for a branch may be merged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from codecourier.checks import MergeMethods, MergeStrategy
from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.gateway import Request
from codecourier.github.operations.branch_rules import read_rules
from codecourier.github.operations.merge_queue import MERGE
from codecourier.github.session import Session

__all__ = ["GetMergeMethods"]

_SETTINGS = {
    MergeStrategy.MERGE: "allow_merge_commit",
    MergeStrategy.SQUASH: "allow_squash_merge",
    MergeStrategy.REBASE: "allow_rebase_merge",
}


@dataclass(frozen=True)
class GetMergeMethods(Operation[MergeMethods]):
    """Find out how pull requests for a branch may be merged, by the repository's settings and the branch's rules.

    https://docs.github.com/rest/repos/repos#get-a-repository: a credential that may not push does not see the settings;
    what it does not see counts as allowed, and the host decides when it merges.
    """

    branch: str
    """Short name of the base branch."""

    def run(self, session: Session) -> MergeMethods:
        """See `Operation.run`."""
        place = session.send(Request("GET", session.address.path, need=MERGE))
        rules = read_rules(session, self.branch, MERGE)
        allowed = {strategy for strategy, name in _SETTINGS.items() if place.at(name).data is not False}
        return MergeMethods(
            allowed=frozenset(allowed - set(_forbidden(rules))),
            has_queue=any(rule.at("type").data == "merge_queue" for rule in rules),
        )


def _forbidden(rules: Iterable[Field]) -> Iterable[MergeStrategy]:
    for rule in rules:
        kind = rule.at("type").data
        if kind == "required_linear_history":
            yield MergeStrategy.MERGE
        methods = rule.at("parameters", "allowed_merge_methods").data if kind == "pull_request" else None
        if isinstance(methods, list):
            yield from (strategy for strategy in MergeStrategy if strategy.value.lower() not in methods)
