"""The rules of a branch, as several operations read them."""

from __future__ import annotations

from codecourier.github.address import quote_branch
from codecourier.github.answers import Field
from codecourier.github.errors import ForgeError
from codecourier.github.gateway import Request
from codecourier.github.needs import Need
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["read_rules"]

_PAGE_SIZE = 100


class _NoRules(ForgeError):
    """The host has no rulesets, or none that the credential may see."""


_UNREADABLE = Refusal(frozenset({403, 404}), _NoRules, "no rules can be read")


def read_rules(session: Session, branch: str, need: Need) -> list[Field]:
    """Return the active rules of a branch, of all rulesets; none where the host shows none.

    https://docs.github.com/rest/repos/rules#get-rules-for-a-branch.
    """
    path = f"{session.address.path}/rules/branches/{quote_branch(branch)}"
    query = {"per_page": _PAGE_SIZE}
    try:
        return session.send(Request("GET", path, query=query, refusals=(_UNREADABLE,), need=need)).items()
    except _NoRules:
        return []
