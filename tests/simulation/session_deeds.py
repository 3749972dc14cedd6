"""What people do with IssueSessions, their issues and their comments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from codecourier.core.shared.naming import ANNOTATION_FOLLOW_UP, LABEL_TRASHED
from codecourier.issue import IssueState
from codecourier.kinds.api_resources import ISSUE_SESSIONS, RUNS
from codecourier.kube.api import Json
from tests.simulation.issues import Board
from tests.simulation.stored import Stored

if TYPE_CHECKING:
    from tests.simulation.cluster import SimulatedCluster

__all__ = ["session_deeds"]

_HOLD_SECONDS = 40.0


def session_deeds(
    cluster: SimulatedCluster,
    random: Random,
    edit: Callable[..., Stored | None],
    delete: Callable[..., Stored | None],
    later: Callable[[float, Callable[[], object]], None],
) -> Mapping[str, Callable[[], Any]]:
    """Return the deeds by what they do.

    Parameters
    ----------
    cluster
        The cluster.
    random
        Chooses among the issues and comments that are there.
    edit
        Changes an object of a kind.
    delete
        Deletes an object of a kind.
    later
        Does something after so many seconds.
    """

    def ask_for_more() -> None:
        annotations = {ANNOTATION_FOLLOW_UP: f"Also do {random.randrange(1000)}."}

        def ask(session: Json) -> None:
            session["metadata"].setdefault("annotations", {}).update(annotations)

        edit(ISSUE_SESSIONS, ask)

    def make_again() -> None:
        """Delete a session and make it again at once, under its name, with another UID and another issue."""
        if (stored := delete(ISSUE_SESSIONS)) is not None:
            name = stored.metadata["name"]
            cluster.when_gone(ISSUE_SESSIONS, name, partial(later, 0, partial(cluster.make_session, name)))

    return {
        "ask for more": ask_for_more,
        **_session_deeds(cluster, random, edit, later),
        **_issue_deeds(cluster.forge.board, random, later),
        "delete session": partial(delete, ISSUE_SESSIONS),
        "make session again": make_again,
    }


def _session_deeds(
    cluster: SimulatedCluster,
    random: Random,
    edit: Callable[..., Stored | None],
    later: Callable[[float, Callable[[], object]], None],
) -> Mapping[str, Callable[[], Any]]:
    def lose_status() -> None:
        """Lose the status of a session whose Runs and comment are there: from them it is found again."""
        runs = {stored.metadata["name"] for stored in cluster.server.store.list(RUNS)}

        def lose(session: Json) -> None:
            status = session.get("status") or {}
            is_written = "id" in (status.get("comment") or {"id": None})
            if is_written and all(entry["run"] in runs for entry in status.get("runs") or ()):
                session["status"] = {}

        edit(ISSUE_SESSIONS, lose)

    def trash() -> None:
        """Put a session into the trash, and all out of it again later."""
        edit(ISSUE_SESSIONS, lambda session: session["metadata"].update(labels={LABEL_TRASHED: "true"}))
        later(random.random() * _HOLD_SECONDS, restore)

    def restore() -> None:
        for stored in cluster.server.store.list(ISSUE_SESSIONS):
            namespace, name = stored.metadata["namespace"], stored.metadata["name"]
            cluster.server.edit(
                ISSUE_SESSIONS, namespace, name, lambda session: session["metadata"].pop("labels", None)
            )

    return {"lose status of session": lose_status, "trash session": trash}


def _issue_deeds(
    board: Board, random: Random, later: Callable[[float, Callable[[], object]], None]
) -> Mapping[str, Callable[[], Any]]:
    def change(work: Callable[[int], object]) -> None:
        """Change an issue that has not gone for good."""
        states = {IssueState.OPEN, IssueState.CLOSED}
        numbers = [issue.number for issue in board.issues.values() if issue.state in states]
        if numbers:
            work(random.choice(numbers))

    def lock(number: int) -> None:
        board.lock(number)
        later(random.random() * _HOLD_SECONDS, partial(board.lock, number, is_locked=False))

    def delete_comment() -> None:
        if board.comments:
            board.delete_comment(random.choice(sorted(board.comments)))

    def forbid_comments() -> None:
        """Take the permission to comment away for a while."""
        board.may_write = False
        later(random.random() * 5 * _HOLD_SECONDS, partial(setattr, board, "may_write", True))

    return {
        "close issue": partial(change, board.close),
        "reopen issue": partial(change, board.reopen),
        "lock issue": partial(change, lock),
        "transfer issue": lambda: change(lambda number: board.transfer(number, None)),
        "delete issue": partial(change, board.delete),
        "mistake pull request for issue": lambda: change(lambda number: board.change(number, is_pull_request=True)),
        "delete comment": delete_comment,
        "forbid comments": forbid_comments,
    }
