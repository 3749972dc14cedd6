"""List the branches of a repository, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codecourier.github.answers import Field, unreadable
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeNotFound
from codecourier.github.gateway import Request
from codecourier.github.graphql import CursorUnknown, GraphQLForbidden, GraphQLMissing, ask
from codecourier.github.needs import Need
from codecourier.github.operations.branch import BranchFacts, read_name
from codecourier.github.session import Session

__all__ = ["BranchPage", "ListBranches"]

_PAGE_SIZE = 100
"""GitHub's largest page, of both APIs."""

_MOST_PAGES = 10
"""How many pages of the host one operation reads; it may look at many branches to find few with a prefix."""

_AUTHOR_MAX_LENGTH = 256
_READ = Need((("contents", "read"),))

_QUERY = """
query Branches($owner: String!, $name: String!, $first: Int!, $after: String, $words: String) {
  repository(owner: $owner, name: $name) {
    nameWithOwner
    defaultBranchRef { name }
    refs(
      refPrefix: "refs/heads/", first: $first, after: $after, query: $words,
      orderBy: {field: ALPHABETICAL, direction: ASC}
    ) {
      pageInfo { hasNextPage endCursor }
      nodes {
        name
        refUpdateRule { allowsDeletions }
        rules(first: 20) { nodes { type } }
        target { ... on Commit { oid committedDate author { name user { login } } } }
      }
    }
  }
}
"""
"""https://docs.github.com/graphql/reference/git#ref; `query` finds names that contain the words."""

_GRAPHQL, _REST = "g", "r"
"""What the cursor of each API begins with."""


@dataclass(frozen=True)
class BranchPage:
    """A page of the list."""

    branches: tuple[BranchFacts, ...]
    """By name."""

    cursor: str | None
    """Where the next page begins; None: there is no more."""


@dataclass(frozen=True)
class ListBranches(Operation[BranchPage]):
    """List branches by name; a page may have fewer than asked for although there are more.

    One query gives up to 100 branches with their last commits. A host without GraphQL is asked by REST, which does not
    say who made a commit and when: https://docs.github.com/rest/branches/branches#list-branches.
    """

    prefix: str
    """What the names begin with; empty: anything."""

    limit: int
    """Most branches of the page, at least 1."""

    cursor: str = ""
    """That of the page before; empty: from the beginning."""

    def run(self, session: Session) -> BranchPage:
        """See `Operation.run`.

        Raises
        ------
        CursorUnknown
            If the host does not know the cursor.
        """
        api, _, place = self.cursor.partition(":")
        if api == _REST:
            return self._by_rest(session, place)
        if api not in {"", _GRAPHQL}:
            raise CursorUnknown("the cursor is none of this list")
        try:
            return self._by_graphql(session, place)
        except (GraphQLMissing, GraphQLForbidden):
            if self.cursor:
                raise
            return self._by_rest(session, "1:0")

    def _by_graphql(self, session: Session, after: str) -> BranchPage:
        found: list[BranchFacts] = []
        place: str | None = after
        for _ in range(_MOST_PAGES):
            repository = self._ask(session, place or None, min(_PAGE_SIZE, self.limit - len(found)))
            refs, default = repository.at("refs"), repository.at("defaultBranchRef", "name").data
            found += _read_refs(refs, default, self.prefix)
            info = refs.at("pageInfo")
            if info.at("hasNextPage").data is not True:
                return BranchPage(tuple(found), None)
            place = info.at("endCursor").text()
            if len(found) >= self.limit:
                break
        return BranchPage(tuple(found), f"{_GRAPHQL}:{place}")

    def _ask(self, session: Session, after: str | None, first: int) -> Field:
        address = session.address
        variables = {"owner": address.owner, "name": address.name, "first": first, "after": after}
        repository = ask(session, _QUERY, {**variables, "words": self.prefix or None}, _READ).at("repository")
        name = repository.at("nameWithOwner").text()
        if name.lower() != address.full_name.lower():
            raise ForgeNotFound(f"{repository.what}: the repository is called {name} now; give its present address")
        return repository

    def _by_rest(self, session: Session, place: str) -> BranchPage:
        number, skip = _read_place(place)
        default = session.send(Request("GET", session.address.path, need=_READ)).at("default_branch").text()
        found: list[BranchFacts] = []
        for page in range(number, number + _MOST_PAGES):
            request = Request(
                "GET",
                f"{session.address.path}/branches",
                query={"per_page": _PAGE_SIZE, "page": page},
                need=_READ,
            )
            items = session.send(request).items()
            for index, item in enumerate(items[skip:], start=skip):
                if len(found) >= self.limit:
                    return BranchPage(tuple(found), f"{_REST}:{page}:{index}")
                branch = _read_branch(item, default)
                found += [branch] if branch.name.startswith(self.prefix) else []
            if len(items) < _PAGE_SIZE:
                return BranchPage(tuple(found), None)
            skip = 0
        return BranchPage(tuple(found), f"{_REST}:{number + _MOST_PAGES}:0")


def _read_refs(refs: Field, default: object, prefix: str) -> Iterator[BranchFacts]:
    if refs.data is None:
        return
    for node in refs.at("nodes").items():
        name, target = read_name(node.at("name")), node.at("target")
        # A ref whose object is lost has no target.
        if name.startswith(prefix) and target.data:
            yield BranchFacts(
                name=name,
                sha=target.at("oid").commit(),
                author=_read_author(target.at("author")),
                committed_at=target.at("committedDate").time(),
                is_protected=_is_protected(node),
                is_default=name == default,
            )


def _is_protected(node: Field) -> bool:
    """Return whether a branch is protected: by a rule of its own, or by a ruleset that forbids its deletion."""
    rules = node.at("rules", "nodes").data or []
    if not isinstance(rules, list):
        raise unreadable(node.what, "its rules are no list")
    return node.at("refUpdateRule").data is not None or {"type": "DELETION"} in rules


def _read_author(actor: Field) -> str | None:
    for place in (actor.at("user", "login"), actor.at("name")):
        if isinstance(place.data, str) and place.data:
            return place.data[:_AUTHOR_MAX_LENGTH]
    return None


def _read_branch(item: Field, default: str) -> BranchFacts:
    name = read_name(item.at("name"))
    return BranchFacts(
        name=name,
        sha=item.at("commit", "sha").commit(),
        author=None,
        committed_at=None,
        is_protected=item.at("protected").data is True,
        is_default=name == default,
    )


def _read_place(text: str) -> tuple[int, int]:
    number, _, skip = text.partition(":")
    if not (number.isascii() and number.isdecimal() and skip.isascii() and skip.isdecimal() and len(text) < 20):  # noqa: PLR2004
        raise CursorUnknown("the cursor is none of this list")
    return max(1, int(number)), int(skip)
