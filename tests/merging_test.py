import dataclasses

import pytest

from codecourier.merging import (
    MERGE_PATH_MAX_LENGTH,
    MERGE_PATHS_MAX_COUNT,
    MERGE_SOURCES_MAX_COUNT,
    MergeReport,
    MergeSource,
    MergeState,
    MergeSummary,
    MergeTask,
    SourceReport,
)
from codecourier.result import DETAILS_MAX_BYTES, Details, Publication, PublishResult, StepState
from codecourier.task import Task, TaskError
from tests.support.sandbox import make_task

_HEAD = "a" * 40
_SOURCES = tuple(MergeSource(number, _HEAD) for number in range(1, MERGE_SOURCES_MAX_COUNT + 1))


def test_a_task_with_merges_comes_back_as_it_was() -> None:
    task = make_task(merge=MergeTask("uid-1", 3, _SOURCES, resolves=True))
    assert Task.from_json(task.to_json()) == task
    assert task.merge is not None
    assert task.merge.progress_ref == "refs/codecourier/merge/uid-1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uid": "a/../b"}, "uid: 'a/../b' is not a UID"),
        ({"sources": ()}, "sources: number of items: is 0"),
        ({"sources": (*_SOURCES, _SOURCES[0])}, "sources: number of items: is 51"),
        ({"step": -1}, "step: is -1"),
    ],
)
def test_a_wrong_merge_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(TaskError) as error:
        dataclasses.replace(MergeTask("uid-1", 0, _SOURCES), **changes)  # type: ignore[arg-type]
    assert message in str(error.value)


@pytest.mark.parametrize(("number", "head"), [(0, _HEAD), (2**53 + 1, _HEAD), (1, "abc"), (1, "A" * 40)])
def test_a_wrong_source_is_refused(number: int, head: str) -> None:
    with pytest.raises(TaskError):
        MergeSource(number, head)


def test_commits_of_another_hash_are_refused() -> None:
    with pytest.raises(TaskError, match="ids of different hashes"):
        make_task(merge=MergeTask("uid-1", 0, (MergeSource(1, "a" * 64),)))


def test_the_largest_report_fits_where_it_has_to() -> None:
    path = "\U0001f680" * MERGE_PATH_MAX_LENGTH
    named = [
        SourceReport(2**53, MergeState.CONFLICT, "b" * 64, (path,) * (MERGE_PATHS_MAX_COUNT if index < 5 else 0), 2**53)
        for index in range(MERGE_SOURCES_MAX_COUNT)
    ]
    report = MergeReport(tuple(dataclasses.replace(source, reason="R" * 64) for source in named), "c" * 64)
    details = Details(summary="s" * 60_000, merge=report)
    assert len(details.to_json().encode()) < DETAILS_MAX_BYTES
    result = PublishResult(
        Publication.PUSHED,
        "R" * 64,
        "m" * 2000,
        commit="d" * 64,
        title="t" * 500,
        details_digest="e" * 64,
        agent_state=StepState.SUCCEEDED,
        agent_reason="A" * 64,
        merge=report.summary,
    )
    assert PublishResult.from_json(result.to_json()).merge == report.summary


def test_what_is_left_of_a_report_says_what_became_of_each() -> None:
    states = (MergeState.CLEAN, MergeState.MISSING, MergeState.EMPTY, MergeState.CONTAINED, MergeState.RESOLVED)
    reasons = (None, "HeadNotFound", None, None, None)
    report = MergeReport(
        tuple(
            SourceReport(source.number, state, reason=reason)
            for source, state, reason in zip(_SOURCES, states, reasons, strict=False)
        ),
        "c" * 40,
    )
    assert report.summary == MergeSummary("CMEKR", "c" * 40, "HeadNotFound")
    assert report.summary.expand(_SOURCES) == report


@pytest.mark.parametrize("states", ["Z", "C" * 51, "c"])
def test_letters_that_stand_for_nothing_are_refused(states: str) -> None:
    with pytest.raises(TaskError):
        MergeSummary(states)


def test_more_than_there_was_to_merge_is_refused() -> None:
    with pytest.raises(TaskError, match="2 pull requests were handled, of 1"):
        MergeSummary("CC").expand(_SOURCES[:1])
