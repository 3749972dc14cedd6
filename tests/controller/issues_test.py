"""What plans ask about issues, and the one comment that they write."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codecourier.controller.issues import MOST_COMMENTS, MOST_PAGES, PROBLEM_SECONDS
from codecourier.core.shared.facts import (
    IssueAsk,
    IssueComment,
    IssueFact,
    OwnCommentsAsk,
    OwnCommentsFact,
    Problem,
    RepositoryAccess,
    RepositoryAsk,
)
from codecourier.core.shared.intents import WriteComment, target_of
from codecourier.core.shared.reasons import Reason
from codecourier.github.operations.list_issue_comments import ListIssueComments
from codecourier.issue import IssueState
from codecourier.kube.errors import ServerError, TooManyRequests, Unanswered
from tests.simulation.clock import pass_time, virtual
from tests.simulation.forge import URL, ForgeTrouble
from tests.simulation.issues import Board
from tests.support.desk import NAMESPACE, Desk

ACCESS = RepositoryAccess(NAMESPACE, URL, secret="token")
MARK = "<!-- codecourier session=0a1b -->"
PROBLEM = Problem(Reason.PROJECT_NOT_FOUND, "There is no Project.")


def make() -> tuple[Desk, Board, IssueAsk]:
    """Return a desk with an issue, and the question for it. Make it inside the running loop."""
    desk = Desk()
    desk.make_project()
    desk.make_secret()
    desk.refresh()
    return desk, desk.forge.board, IssueAsk(ACCESS, desk.forge.board.create().number)


def forge_calls(desk: Desk) -> list[str]:
    return [f"{call.verb} {call.name}" for call in desk.wire.calls if call.client.endswith("@forge")]


async def look(desk: Desk, ask: IssueAsk) -> IssueFact:
    answer = await desk.observer.answer(ask)
    assert isinstance(answer, IssueFact)
    return answer


async def own(desk: Desk, ask: OwnCommentsAsk) -> list[int]:
    answer = await desk.observer.answer(ask)
    assert isinstance(answer, OwnCommentsFact)
    return [comment.id for comment in answer.items]


def own_ask(desk: Desk, number: int, comment: int | None = None) -> OwnCommentsAsk:
    return OwnCommentsAsk(ACCESS, number, MARK, desk.clock.now(), comment)


@virtual
async def test_an_issue_comes_with_the_comments_that_were_asked_for_in_their_order() -> None:
    desk, board, ask = make()
    first, second = board.comment(ask.number, "First."), board.comment(ask.number, "é" * 16384, "bob")
    other = board.comment(board.create().number, "Of another issue.")
    found = await look(desk, replace(ask, comments=(second.id, other.id, 99, first.id)))
    assert found == IssueFact(
        state=IssueState.OPEN,
        url=f"{URL}/issues/{ask.number}",
        title="Totals are wrong",
        author="alice",
        body="Fix them.",
        is_locked=False,
        is_pull_request=False,
        comments=(IssueComment(second.id, "bob", "é" * 8192), IssueComment(first.id, "alice", "First.")),
        missing_comments=(other.id, 99),
    )


@virtual
async def test_no_question_asks_for_more_comments_than_the_bound() -> None:
    desk, board, ask = make()
    ids = tuple(board.comment(ask.number, "x").id for _ in range(MOST_COMMENTS + 5))
    found = await look(desk, replace(ask, comments=ids))
    assert len(found.comments) == MOST_COMMENTS
    assert len(forge_calls(desk)) == 1 + MOST_COMMENTS


@virtual
async def test_an_issue_is_asked_for_again_once_its_answer_is_too_old_or_other_comments_are_wanted() -> None:
    desk, board, ask = make()
    comment = board.comment(ask.number, "First.")
    for _ in range(3):
        await look(desk, ask)
    assert forge_calls(desk) == [f"get issue {ask.number}"]
    board.close(ask.number)
    await pass_time(ask.age_seconds)
    assert (await look(desk, ask)).state is IssueState.CLOSED
    await look(desk, replace(ask, comments=(comment.id,)))
    assert len(forge_calls(desk)) == 4
    old = replace(ask, age_seconds=900.0, comments=(comment.id,))
    await pass_time(700.0)
    assert desk.observer.recall(old) is not None


@virtual
async def test_what_is_remembered_of_issues_is_bounded() -> None:
    desk, board, ask = make()
    board.change(ask.number, body="x" * 65536)
    numbers = [board.create(body="x" * 65536).number for _ in range(300)]
    await look(desk, ask)
    for number in numbers:
        await look(desk, IssueAsk(ACCESS, number))
    assert desk.observer.recall(ask) is None
    assert desk.observer.recall(IssueAsk(ACCESS, numbers[-1])) is not None
    assert sum(desk.observer.recall(IssueAsk(ACCESS, number)) is not None for number in numbers) > 200


@virtual
async def test_an_issue_that_moved_or_is_gone_has_a_state_and_no_comments() -> None:
    desk, board, ask = make()
    comment = board.comment(ask.number, "First.")
    board.transfer(ask.number, f"{URL}-other/issues/5")
    found = await look(desk, replace(ask, comments=(comment.id,)))
    assert (found.state, found.url) == (IssueState.TRANSFERRED, f"{URL}-other/issues/5")
    assert (found.body, found.missing_comments) == ("", (comment.id,))
    assert forge_calls(desk) == [f"get issue {ask.number}"]
    other = board.create().number
    board.delete(other)
    gone = await look(desk, IssueAsk(ACCESS, other))
    assert (gone.state, gone.url) == (IssueState.DELETED, None)


@virtual
@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"may_read": False}, Reason.ISSUES_FORBIDDEN, "issues: read"),
        ({"has_issues": False}, Reason.ISSUE_NOT_FOUND, "/issues/1001"),
        ({"issues": {}}, Reason.ISSUE_NOT_FOUND, "Issues: read"),
    ],
)
async def test_why_an_issue_cannot_be_read_is_the_answer(change: dict[str, object], reason: Reason, words: str) -> None:
    desk, board, ask = make()
    await desk.observer.answer(RepositoryAsk(ACCESS))
    for name, value in change.items():
        setattr(board, name, value)
    for question in (ask, own_ask(desk, ask.number), own_ask(desk, ask.number, 1)):
        problem = await desk.observer.answer(question)
        assert isinstance(problem, Problem)
        assert (problem.reason, problem.is_final) == (reason, False)
        assert words in problem.message
    assert desk.observer.recall(RepositoryAsk(ACCESS)) is not None, "the repository was reached all the same"
    calls = len(forge_calls(desk))
    await desk.observer.answer(ask)
    assert len(forge_calls(desk)) == calls
    board.may_read, board.has_issues = True, True
    board.issues = board.issues or {ask.number: Board(desk.clock.now, URL).create()}
    await pass_time(PROBLEM_SECONDS)
    await look(desk, ask)


@virtual
async def test_what_prevents_every_request_is_the_answer() -> None:
    desk, _, ask = make()
    own_comments = replace(own_ask(desk, ask.number), repository=PROBLEM)
    for question in (replace(ask, repository=PROBLEM), own_comments, replace(own_comments, comment=1)):
        assert await desk.observer.answer(question) == PROBLEM
    written = await desk.effects.do(WriteComment(PROBLEM, 1, MARK))
    assert written == replace(PROBLEM, is_refusal=True)
    assert forge_calls(desk) == []


@virtual
async def test_a_forge_that_is_away_is_a_problem_of_every_question() -> None:
    desk, _, ask = make()
    desk.wire.refuse = lambda call: Unanswered("away") if call.client.endswith("@forge") else None
    for question in (ask, own_ask(desk, ask.number), own_ask(desk, ask.number, 1)):
        problem = await desk.observer.answer(question)
        assert isinstance(problem, Problem)
        assert problem.reason is Reason.FORGE_UNAVAILABLE


@virtual
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (ForgeTrouble.BROKEN, Reason.FORGE_UNAVAILABLE),
        (ForgeTrouble.UNAUTHORIZED, Reason.CREDENTIALS_REFUSED),
        (ForgeTrouble.FORBIDDEN, Reason.ISSUES_FORBIDDEN),
        (ForgeTrouble.MISSING, Reason.ISSUE_NOT_FOUND),
    ],
)
async def test_a_forge_in_trouble_gives_a_question_and_a_comment_the_same_reason(
    trouble: ForgeTrouble, reason: Reason
) -> None:
    desk, board, ask = make()
    desk.forge.trouble = trouble
    problem = await desk.observer.answer(ask)
    refused = await desk.effects.do(WriteComment(ACCESS, ask.number, MARK))
    assert isinstance(problem, Problem)
    assert refused is not None
    assert (problem.reason, refused.reason) == (reason, reason)
    assert refused.is_refusal is (trouble is not ForgeTrouble.BROKEN)
    assert board.written == []


@virtual
async def test_our_comments_are_found_by_their_marker_oldest_first_on_every_page() -> None:
    desk, board, ask = make()
    asked = own_ask(desk, ask.number)
    ours = [board.comment(ask.number, f"{MARK}\nIt runs.").id]
    for _ in range(150):
        board.comment(ask.number, "Theirs.")
    board.comment(board.create().number, MARK)
    ours.append(board.comment(ask.number, f"Twice. {MARK}").id)
    assert await own(desk, asked) == ours
    assert len(forge_calls(desk)) == 2


@virtual
async def test_the_clock_of_a_host_that_is_behind_hides_no_comment() -> None:
    desk, board, ask = make()
    made = board.comment(ask.number, MARK)
    asked = replace(own_ask(desk, ask.number), since=desk.clock.now() + timedelta(minutes=4))
    assert await own(desk, asked) == [made.id]
    assert await own(desk, replace(asked, since=desk.clock.now() + timedelta(hours=1))) == []


@virtual
async def test_a_known_comment_is_looked_at_alone() -> None:
    desk, board, ask = make()
    ours = board.comment(ask.number, MARK)
    board.comment(ask.number, MARK)
    assert await own(desk, own_ask(desk, ask.number, ours.id)) == [ours.id]
    assert forge_calls(desk) == [f"get comment {ours.id}"]
    board.comments[ours.id] = replace(ours, body="Changed by a person.")
    assert await own(desk, own_ask(desk, ask.number, ours.id)) == []
    board.delete_comment(ours.id)
    assert await own(desk, own_ask(desk, ask.number, ours.id)) == []


@virtual
async def test_a_flood_of_comments_is_a_problem_and_not_a_second_comment() -> None:
    desk, board, ask = make()
    asked = own_ask(desk, ask.number)
    for _ in range(100 * MOST_PAGES):
        board.comment(ask.number, "Flood.")
    problem = await desk.observer.answer(asked)
    assert isinstance(problem, Problem)
    assert problem.reason is Reason.ISSUE_COMMENTS_UNCOUNTED
    assert f"{URL}/issues/{ask.number}" in problem.message
    assert len(forge_calls(desk)) == MOST_PAGES


def test_an_empty_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="marker"):
        ListIssueComments(1, "", datetime(2026, 11, 30, tzinfo=UTC))


@virtual
async def test_a_comment_is_made_then_replaced() -> None:
    desk, board, ask = make()
    assert await desk.effects.do(WriteComment(ACCESS, ask.number, f"{MARK} Started.")) is None
    (made,) = await own(desk, own_ask(desk, ask.number))
    assert await desk.effects.do(WriteComment(ACCESS, ask.number, f"{MARK} Done.", made)) is None
    assert board.comments[made].body == f"{MARK} Done."
    assert board.posts() == {ask.number: 1}
    assert board.edits == 1


@virtual
@pytest.mark.parametrize(
    ("spoil", "comment", "reason"),
    [
        (lambda board, number: board.lock(number), None, Reason.ISSUE_LOCKED),
        (lambda board, _: setattr(board, "may_write", False), None, Reason.ISSUES_FORBIDDEN),
        (lambda board, number: board.delete(number), None, Reason.ISSUE_NOT_FOUND),
        (lambda board, number: board.transfer(number, None), None, Reason.ISSUE_NOT_FOUND),
        (lambda board, _: setattr(board, "has_issues", False), None, Reason.ISSUE_NOT_FOUND),
        (lambda _board, _number: None, 99, Reason.ISSUE_NOT_FOUND),
    ],
)
async def test_a_comment_that_the_host_refuses_is_certainly_not_there(
    spoil: object, comment: int | None, reason: Reason
) -> None:
    desk, board, ask = make()
    assert callable(spoil)
    spoil(board, ask.number)
    problem = await desk.effects.do(WriteComment(ACCESS, ask.number, MARK, comment))
    assert problem is not None
    assert (problem.reason, problem.is_refusal, problem.is_final) == (reason, True, False)
    assert str(ask.number) in problem.message or URL in problem.message
    assert board.written == []


@virtual
async def test_a_lost_answer_is_no_refusal_and_the_comment_is_found() -> None:
    desk, _, ask = make()
    lost = Unanswered("away")
    desk.wire.lose = lambda call: lost if (call.verb, call.resource.kind) == ("create", "Forge") else None
    problem = await desk.effects.do(WriteComment(ACCESS, ask.number, MARK))
    assert problem is not None
    assert (problem.reason, problem.is_refusal) == (Reason.FORGE_UNAVAILABLE, False)
    await pass_time(PROBLEM_SECONDS)
    assert len(await own(desk, own_ask(desk, ask.number))) == 1


@virtual
@pytest.mark.parametrize(
    ("error", "reason", "is_refusal"),
    [
        (ServerError(503, "", "busy"), Reason.FORGE_UNAVAILABLE, False),
        (TooManyRequests(429, "", "slow down"), Reason.RATE_LIMITED, True),
    ],
)
async def test_only_an_answer_that_nothing_was_done_is_a_refusal(
    error: Exception, reason: Reason, *, is_refusal: bool
) -> None:
    desk, _, ask = make()
    desk.wire.refuse = lambda call: error if call.client.endswith("@forge") else None
    problem = await desk.effects.do(WriteComment(ACCESS, ask.number, MARK))
    assert problem is not None
    assert (problem.reason, problem.is_refusal) == (reason, is_refusal)


def test_comments_on_one_issue_have_one_target_whatever_their_text_and_credential() -> None:
    effects = (WriteComment(ACCESS, 7, "a"), WriteComment(PROBLEM, 7, "b", 3), WriteComment(ACCESS, 8, "a"))
    first, second, other = (target_of(effect) for effect in effects)
    assert first == second != other
