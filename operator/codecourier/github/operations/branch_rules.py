"""The rules of a branch, as several operations read them."""

from __future__ import annotations

from codecourier.github.address import quote_branch
from codecourier.github.answers import Field
from codecourier.github.errors import ForgeError, ForgeRefused
from codecourier.github.gateway import Request
from codecourier.github.needs import Need
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["read_rules"]

_PAGE_SIZE = 100
_MOST_PAGES = 5


class _NoRules(ForgeError):
    """The host has no rulesets, or none that the credential may see."""


_UNREADABLE = Refusal(frozenset({403, 404}), _NoRules, "no rules can be read")


def read_rules(session: Session, branch: str, need: Need) -> list[Field]:
    """Return the active rules of a branch, of all rulesets; none where the host shows none.

    https://docs.github.com/rest/repos/rules#get-rules-for-a-branch.

    Raises
    ------
    ForgeRefused
        If there are more than can be read.
    """
    path = f"{session.address.path}/rules/branches/{quote_branch(branch)}"
    found: list[Field] = []
    for number in range(1, _MOST_PAGES + 1):
        query = {"per_page": _PAGE_SIZE, "page": number}
        refusals = () if found else (_UNREADABLE,)
        try:
            page = session.send(Request("GET", path, query=query, refusals=refusals, need=need)).items()
        except _NoRules:
            return []
        found += page
        if len(page) < _PAGE_SIZE:
            return found
    # A check that is required by a rule beyond would count for nothing.
    raise ForgeRefused(f"GET {path}: the branch has {len(found)} rules or more, too many for a merge to judge")
