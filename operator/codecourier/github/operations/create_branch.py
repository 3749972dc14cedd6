"""Create a branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from codecourier.github.api import Operation
from codecourier.github.errors import ForgeRefused
from codecourier.github.gateway import Request
from codecourier.github.needs import WORKFLOWS_REFUSAL, Need
from codecourier.github.operations.branch import HEADS
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["BranchExists", "CreateBranch"]


class BranchExists(ForgeRefused):
    """There is a branch of this name, at whichever commit."""


_CREATE = Need((("contents", "write"),))

_REFUSALS = (
    WORKFLOWS_REFUSAL,
    Refusal(frozenset({422}), BranchExists, "there is a branch of this name", words="already exists"),
    Refusal(frozenset({422}), ForgeRefused, "the host does not create the branch"),
)


@dataclass(frozen=True)
class CreateBranch(Operation[None]):
    """Create a branch at a commit of the repository: https://docs.github.com/rest/git/refs#create-a-reference."""

    is_write: ClassVar[bool] = True

    branch: str
    """Short name."""

    commit: str
    with_workflows: bool = False
    """Whether an App's installation may change workflow files, so that the commit may."""

    def run(self, session: Session) -> None:
        """See `Operation.run`.

        Raises
        ------
        BranchExists
            If there is a branch of this name.
        WorkflowsForbidden
            If the commit changes workflow files and the credential may not.
        """
        need = _CREATE.and_workflows(if_=self.with_workflows)
        body = {"ref": HEADS + self.branch, "sha": self.commit}
        session.send(Request("POST", f"{session.address.path}/git/refs", body=body, refusals=_REFUSALS, need=need))
