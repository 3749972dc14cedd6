"""Delete a branch that nothing needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from codecourier.github.address import quote_branch
from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeRefused, Moved, Unavailable
from codecourier.github.gateway import Request
from codecourier.github.graphql import GraphQLMissing, change
from codecourier.github.needs import Need
from codecourier.github.operations.branch import HEADS, BranchKept, BranchMoved, BranchNotFound
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["DeleteBranch"]

_DELETE = Need((("contents", "write"), ("pull_requests", "read")))

_MUTATION = """
mutation DeleteBranch($repository: ID!, $ref: GitRefname!, $at: GitObjectID!, $nowhere: GitObjectID!) {
  updateRefs(input: {repositoryId: $repository, refUpdates: [{name: $ref, beforeOid: $at, afterOid: $nowhere}]}) {
    clientMutationId
  }
}
"""
"""https://docs.github.com/graphql/reference/git#updaterefs: refused if the ref is not at `beforeOid`."""

_LOOK = (Refusal(frozenset({404}), BranchNotFound, "there is no such branch"),)
_REFUSED = (Refusal(frozenset({422}), ForgeRefused, "the branch was not deleted"),)


@dataclass(frozen=True)
class DeleteBranch(Operation[None]):
    """Delete a branch, unless it is the default one, protected, or the base of an open pull request.

    The host deletes it only if it is still at the commit that was looked at. A host without GraphQL cannot be told so:
    there, a commit that is pushed in that moment goes with the branch.
    """

    is_write: ClassVar[bool] = True

    branch: str
    """Short name."""

    def run(self, session: Session) -> None:
        """See `Operation.run`.

        Raises
        ------
        BranchNotFound
            If there is no such branch.
        BranchKept
            If it must not be deleted.
        BranchMoved
            If it is somewhere else than it was a moment before.
        """
        repository = session.send(Request("GET", session.address.path, need=_DELETE))
        sha = self._look(session, repository)
        self._check_pulls(session)
        try:
            self._delete(session, repository.at("node_id").text(), sha)
        except (ForgeRefused, Unavailable) as error:
            if isinstance(error, Unavailable) and not error.may_have_happened:
                raise
            self._look_again(session, sha, error)

    def _look(self, session: Session, repository: Field) -> str:
        if repository.at("default_branch").text() == self.branch:
            raise BranchKept(f"branch {self.branch} is the default branch of the repository")
        place = self._find(session)
        if place.at("protected").data is not False:
            raise BranchKept(f"branch {self.branch} is protected")
        return place.at("commit", "sha").commit()

    def _find(self, session: Session) -> Field:
        path = f"{session.address.path}/branches/{quote_branch(self.branch).replace('/', '%2F')}"
        try:
            place = session.send(Request("GET", path, refusals=_LOOK, need=_DELETE))
        except Moved as moved:
            # Such as of a branch that was renamed.
            raise BranchNotFound(moved.message, status=moved.status) from None
        if place.at("name").data != self.branch:
            raise BranchKept(f"{place.what}: the host answers with another branch")
        return place

    def _check_pulls(self, session: Session) -> None:
        query = {"state": "open", "base": self.branch, "per_page": 100}
        pulls = session.send(Request("GET", f"{session.address.path}/pulls", query=query, need=_DELETE))
        for pull in pulls.items():
            if pull.at("base", "ref").data == self.branch:
                number = pull.at("number").number()
                raise BranchKept(f"branch {self.branch} is the base of pull request {number}, which is open")

    def _delete(self, session: Session, repository: str, sha: str) -> None:
        variables = {"repository": repository, "ref": HEADS + self.branch, "at": sha, "nowhere": "0" * len(sha)}
        try:
            change(session, _MUTATION, variables, _DELETE)
        except GraphQLMissing:
            path = f"{session.address.path}/git/{HEADS}{quote_branch(self.branch)}"
            session.send(Request("DELETE", path, refusals=_REFUSED, need=_DELETE))

    def _look_again(self, session: Session, sha: str, error: ForgeRefused | Unavailable) -> None:
        """Find out what became of a deletion that was refused, or whose answer was lost."""
        try:
            now = self._find(session).at("commit", "sha").commit()
        except BranchNotFound:
            return
        if now != sha:
            raise BranchMoved(f"branch {self.branch} has another commit than a moment ago, {now}") from None
        if isinstance(error, Unavailable):
            raise error
        raise BranchKept(f"the host does not delete branch {self.branch}: {error.message}") from None
