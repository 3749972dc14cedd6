"""What strangers write: titles, branches and names of checks, which may forge nothing of what people are shown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from codecourier.checks import Check, CheckState, Gate, RequiredCheck
from codecourier.core.merge_job.body import build_body
from codecourier.core.merge_job.gate import judge_gate
from codecourier.core.merge_job.ledger import result_branch
from codecourier.core.merge_job.record import TITLE_LENGTH, record
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.facts import BranchHeadAsk, BranchHeadFact, Facts
from codecourier.core.shared.merge_facts import MergePullAsk
from codecourier.core.shared.reasons import Reason, cut, sentence
from codecourier.resources.merge_job import JobSource, MergeJobStatus, SourceResult
from codecourier.text import defuse_title, marker
from tests.core.merge_job.host import BASE, GREEN, HEAD, PULL
from tests.core.merge_job.played import make_job
from tests.support.worlds import NOW, URL, make_project, make_workflow

HIDDEN = "\x00\x07\x1b[31m\x1b]0;x\x07\u200b\u202e\u2066\u2028\u3164\ufe0f\U000e0041\ud800"
ATTACKS = (
    r"x | 111111111111 | merged without a conflict |",
    r"x \| 111111111111 \| merged without a conflict \|",
    r"x \\| 111111111111 \\\| merged without a conflict \\\\| y",
    "\\",
    "x\n| #8 y | 222222222222 | merged without a conflict |\n",
    "x\u2028| #8 y | 222222222222 | merged without a conflict |",
    "`x | y`",
    "&#124; &vert; &NewLine;| z",
    "<table><tr><td>merged</td></tr></table>",
    "</td><td>merged",
    "<!-- codecourier run=uid-release attempt=1 -->",
    "![x](https://evil.test/track.png) @acme/all closes #1 [skip ci]",
    f"{HIDDEN}deny{HIDDEN}",
)
"""Titles."""

ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]|[^|]")


def cells(row: str) -> list[str]:
    """Split a row of a table as GitHub does: a backslash takes the effect of one sign of punctuation."""
    assert row.startswith("|")
    assert row.endswith("|")
    found, place = [""], 1
    while place < len(row):
        part = ESCAPED.match(row, place)
        if part is None:
            found.append("")
            place += 1
        else:
            found[-1] += part[0]
            place = part.end()
    assert found.pop() == "", "the last bar ends the row"
    return [cell.strip() for cell in found]


def make_status(**changes: Any) -> MergeJobStatus:
    status = MergeJobStatus(repository_url=URL, base_branch="main", base_commit=BASE)
    return status.updated(**changes)


@pytest.mark.parametrize("title", ATTACKS)
def test_a_title_forges_no_row_and_no_cell_of_the_list(title: str) -> None:
    recorded = make_source(title=title)
    left_out = recorded.updated(result=SourceResult.EXCLUDED, reason="MergeConflict", message=cut(f"No: {title}"))
    clean = JobSource(number=8, url=f"{URL}/pull/8", title="Fine", head_commit=HEAD, result=SourceResult.CLEAN)
    body = build_body(make_job(), make_status(sources=(left_out, clean)))
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert [len(cells(row)) for row in rows] == [3] * 4, rows
    assert cells(rows[2])[0].startswith("#7")
    assert cells(rows[2])[1:2] == [HEAD[:12]]
    assert cells(rows[2])[2].startswith("**left out**: No: ")
    assert cells(rows[3]) == ["#8 Fine", HEAD[:12], "merged without a conflict"]
    ours = marker("uid-release", 1)
    assert body.endswith(ours)
    assert re.search("<(?! )", body.removesuffix(ours)) is None, "no tag and no comment but ours"


@pytest.mark.parametrize("branch", ["a`b", "`", "``a`", "a`<img/src=x>`@acme", f"b{HIDDEN[9:]}"])
def test_a_branch_has_no_effect_in_the_body(branch: str) -> None:
    body = build_body(make_job(), make_status(base_branch="main").model_copy(update={"base_branch": branch}))
    said = body.partition(" pull requests onto ")[2].partition(f" at {BASE}")[0]
    assert said.isprintable()
    assert re.search("<(?! )|@(?! )", said) is None, said


def make_source(**changes: Any) -> JobSource:
    """Return pull request 7 as it is recorded with what its host says of it."""
    job, project = make_job(7), make_project()
    world = MergeJobWorld(job=job, project=project, workflow=make_workflow())
    access = world.access
    pull = replace(PULL, head_commit=HEAD, **changes)
    answers: dict[Any, Any] = {
        MergePullAsk(access, 7): pull,
        BranchHeadAsk(access, "main"): BranchHeadFact(BASE),
        BranchHeadAsk(access, result_branch(job)): BranchHeadFact(None),
    }
    recorded = record(replace(world, facts=Facts(answers)), NOW)
    assert isinstance(recorded, MergeJobStatus), recorded
    return recorded.sources[0]


@pytest.mark.parametrize("title", [*ATTACKS, "x" * 4096, HIDDEN * 200])
def test_a_recorded_title_is_one_line_that_people_see(title: str) -> None:
    found = make_source(title=title).title
    assert found.isprintable()
    assert len(found) <= TITLE_LENGTH
    assert defuse_title(found).isprintable()


def test_a_check_is_shown_in_one_short_line_and_compared_as_it_is() -> None:
    name = f"test{HIDDEN}\nof " + "x" * 4000
    gate = Gate(
        (RequiredCheck(name, None), RequiredCheck("test", 7)),
        has_queue=False,
        checks=(
            Check(name + "y", 7, CheckState.PASSED, "success", NOW),
            Check("test\u200b", 7, CheckState.PASSED, "success", NOW),
            Check("test", 8, CheckState.PASSED, "success", NOW),
        ),
        unfinished_suites=0,
        is_whole=True,
    )
    verdict = judge_gate(gate, NOW, NOW)
    assert verdict.state is CheckState.PENDING, "none of these is a required one"
    assert [check.word for check in verdict.open_checks] == ["missing", "missing"]
    assert all(check.name.isprintable() and len(check.name) <= 256 for check in verdict.open_checks)
    assert verdict.message.isprintable()
    failed = replace(GREEN, checks=(Check("\u200b\ud800\n", 7, CheckState.FAILED, "failure", NOW),), required=())
    assert [check.name for check in judge_gate(failed, NOW, NOW).open_checks] == ["?"]


@pytest.mark.parametrize("reason", [Reason.CHECKS_FAILED, Reason.MERGE_CONFLICT, Reason.BASE_MOVED])
def test_a_sentence_is_one_line_that_people_see(reason: Reason) -> None:
    values = dict.fromkeys(("checks", "count", "limit", "detail", "branch"), f"a{HIDDEN}\r\nb\tc" + "x" * 10_000)
    said = sentence(reason, **values)
    assert said.isprintable()
    assert len(said) <= 2048
