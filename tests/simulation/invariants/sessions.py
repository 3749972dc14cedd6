"""What is done for an issue, watched: each Run is claimed and made once, and one comment says what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from codecourier.issue import IssueState
from codecourier.kinds.api_resources import ISSUE_SESSIONS
from codecourier.kube.api import Json
from codecourier.text import session_marker
from tests.simulation.invariants.objects import status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.issues import Comment
from tests.simulation.stored import Change, Stored

__all__ = ["Sessions"]


class Sessions:
    """Sees every Run that a session makes, and every comment that operators write.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._made: Counter[tuple[str, int]] = Counter()
        self._written = 0

    def restored(self) -> None:
        """Forget what was made: the API server lost it, too."""
        self._made.clear()

    def run_made(self, change: Change) -> None:
        """Check a Run that is made: its session claims it, and made no other one for that."""
        origin = change.new.obj["spec"].get("origin") or {}
        if change.type != "ADDED" or origin.get("kind") != ISSUE_SESSIONS.kind:
            return
        self._made[origin["uid"], origin["index"]] += 1
        if self._made[origin["uid"], origin["index"]] > 1:
            self._scene.fail("once", f"Run {origin['index']} of session {origin['name']} was made twice")
        session = self._scene.find_by_uid(origin["uid"])
        if session is not None and change.identity[2] not in _runs(session):
            self._scene.fail("once", f"Run {change.identity[2]} is not claimed by its session")

    def comments_written(self) -> None:
        """Check the comments that operators have written since."""
        board = self._scene.forge.board
        for comment in board.written[self._written :]:
            if sum(_mark(comment) == _mark(other) for other in board.comments.values()) > 1:
                self._scene.fail("once", f"two comments on issue {comment.issue} are of one session")
        self._written = len(board.written)

    def untold(self) -> Iterator[str]:
        """Yield what comments say that is not so at rest."""
        board = self._scene.forge.board
        for stored in self._scene.store.list(ISSUE_SESSIONS):
            status, number = status_of(stored), int(stored.obj["spec"]["issueUrl"].rpartition("/")[2])
            issue, known = board.issues[number], status.get("comment") or {}
            is_deleted = known.get("isDeleted") or known.get("id", 0) not in {0, *board.comments}
            if not status.get("runs") or issue.is_locked or not board.may_write or is_deleted:
                continue
            if _is_given_up(status):
                continue
            if issue.state in {IssueState.TRANSFERRED, IssueState.DELETED} or "deletionTimestamp" in stored.metadata:
                continue
            marker = session_marker(stored.metadata["uid"])
            bodies = [comment.body for comment in board.comments.values() if marker in comment.body]
            if not any(_says_all(body, stored) for body in bodies) and not known.get("waitingSince"):
                yield f"no comment says what session {stored.metadata['name']} did: {bodies}"


def _says_all(body: str, session: Stored) -> bool:
    rows = [line for line in body.splitlines() if line.startswith("| `")]
    expected = [(entry["run"], entry["phase"].lower()) for entry in status_of(session)["runs"]]
    return len(rows) == len(expected) and all(
        run in row and phase in row for row, (run, phase) in zip(rows, expected, strict=True)
    )


def _is_given_up(status: Json) -> bool:
    """Tell whether the session says that its host did not take the comment."""
    return any(c["type"] == "Commented" and c["status"] == "False" for c in status.get("conditions") or ())


def _mark(comment: Comment) -> str:
    return comment.body.splitlines()[-1]


def _runs(session: Stored) -> list[str]:
    return [entry["run"] for entry in status_of(session).get("runs") or ()]
