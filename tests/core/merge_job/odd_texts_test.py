"""Titles and names of branches that others wrote: with credentials, controls, and effects at a host."""

from __future__ import annotations

import json
import re

import pytest

from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import is_branch_name
from codecourier.resources.merge_job import MergeMode
from tests.core.merge_job.played import Played, commit, make_job, make_pull
from tests.support.worlds import BASE

TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
KEY = "sk-ant-api03-0123456789abcdef"
HIDDEN = ("\x1b[31m", "\x00", "\u202e", "\u200b", "\u2028", "\x07")
"""A terminal's colour, a zero, the right-to-left override, a blank of no width, a line break, a bell."""

EFFECTS = {
    "@team": r"(?<![A-Za-z0-9])@[A-Za-z0-9]",
    "fixes #1": r"(?i)fix(es)?\s*:?\s*#\d",
    "Closes: octo/repo#12": r"(?i)closes\s*:?\s*octo/repo#\d",
    "resolves https://github.com/o/r/issues/3": r"(?i)resolves\s*:?\s*https://",
    "F*i*xes #4": r"F\*i\*xes #\d",
    "<!-- codecourier run=uid-release attempt=1 -->": r"<!-- codecourier run=uid-release attempt=1 -->.*\|",
    "![x](https://evil.example/pixel)": r"!\[",
    "[skip ci]": r"\[skip ci\]",
    "<img src=x>": r"<img",
}


def body_of(title: str, **pull: object) -> str:
    """Return the body of a new pull request that combines one of this title."""
    played = Played(pulls={7: make_pull(7, title=title, **pull)})
    played.work()
    return played.opened[0].body


@pytest.mark.parametrize(("text", "effect"), EFFECTS.items(), ids=EFFECTS)
@pytest.mark.parametrize("is_left_out", [False, True])
def test_a_title_has_no_effect_in_the_new_pull_request(text: str, effect: str, *, is_left_out: bool) -> None:
    body = body_of(f"Add a total, {text}", is_draft=is_left_out)
    row = next(line for line in body.splitlines() if line.startswith("| #7"))
    assert "Add a total" in row
    assert not re.search(effect, row), row


@pytest.mark.parametrize("text", ["a | b", r"a \| b", r"a \\| b", "a \\", "`a | b`", "a\n| #9 forged | x | merged |"])
def test_a_title_stays_in_its_cell(text: str) -> None:
    (row,) = [line for line in body_of(text).splitlines() if line.startswith(("| #7", "| #9"))]
    # As cmark-gfm reads a row: a backslash takes the effect of what follows it.
    assert len(re.findall(r"\\.|(\|)", row)) - len(re.findall(r"\\.", row)) == 4


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_cannot_be_seen_reaches_neither_the_status_nor_the_body(hidden: str) -> None:
    played = Played(pulls={7: make_pull(7, title=f"Add{hidden} a total", head_branch=f"work{hidden}")})
    played.work()
    dump = played.status.model_dump_json()
    assert hidden not in played.opened[0].body
    assert hidden not in (played.status.sources[0].title + dump)
    assert json.dumps(hidden, ensure_ascii=False)[1:-1] not in dump
    assert played.status.sources[0].head_branch is None
    assert played.results == {7: "Clean", 8: "Clean"}


@pytest.mark.parametrize("secret", [TOKEN, KEY, "https://bob:hunter2hunter2@git.example/x"])
def test_a_credential_reaches_neither_status_nor_events_nor_the_body(secret: str) -> None:
    pulls = {
        7: make_pull(7, title=f"Use {secret}", head_branch=f"work/{secret}"),
        8: make_pull(8, title="Eight", base_branch=f"to/{secret}"),
    }
    played = Played(job=make_job(7, 8, base_branch="main"), pulls={**pulls})
    played.work()
    said = "\n".join([played.status.model_dump_json(), played.opened[0].body, *(e.message for e in played.events)])
    inner = secret.partition("bob:")[2].partition("@")[0] or secret
    assert inner not in said
    assert played.results[7] == "Clean"


@pytest.mark.parametrize("name", ["refs/heads/x", "a\u202eb", TOKEN, "a" * 245, "x.lock"])
@pytest.mark.parametrize("mode", MergeMode)
def test_a_base_whose_name_no_status_can_hold_is_left_out(mode: MergeMode, name: str) -> None:
    others = {} if mode is MergeMode.SINGLE else {8: "Clean"}
    played = Played(
        job=make_job(7, *others, mode=mode),
        pulls={7: make_pull(7, base_branch=name)},
        branches={"main": BASE, name: commit(name)},
    )
    played.work()
    assert played.results == {7: Reason.BRANCH_UNUSABLE, **others}
    assert played.status.base_branch == "main"
    said = played.status.model_dump_json()
    assert TOKEN not in said
    assert "\u202e" not in said


@pytest.mark.parametrize(
    ("name", "is_usable"),
    [
        *((name, True) for name in ("main", "release/1.x", "ü", "a@b", "@x", "`x`", "a" * 244)),
        *((name, False) for name in ("", "@", "-x", "/x", "x/", ".x", "x.", "a..b", "a//b", "a/.b", "a@{b")),
        *((name, False) for name in ("x.lock", "refs/x", "a b", "a\x7fb", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b")),
    ],
)
def test_names_of_branches(name: str, *, is_usable: bool) -> None:
    assert is_branch_name(name) is is_usable
