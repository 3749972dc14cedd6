from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codecourier.text import BODY_MAX_BYTES, TITLE_MAX_CHARS, defuse_body, defuse_title, has_marker, marker

# What GitHub, GitLab and common bots act upon, written down apart from the code under test. A detector reads the
# text as
# a forge would after rendering: emphasis and backslashes gone, entities decoded.
KEYWORD = r"(?:close[sd]?|closing|fix(?:es|ed|ing)?|resolve[sd]?|resolving|implement(?:s|ed|ing)?)"
REFERENCE = (
    r"(?:\#[0-9]+|gh-[0-9]+|[a-z0-9][a-z0-9-]*/[a-z0-9._-]+\#[0-9]+|https?://[^\s/]+/[^\s]+/(?:issues|pull)/[0-9]+)"
)
CLOSES = re.compile(rf"(?<![a-z0-9]){KEYWORD}(?![a-z0-9]):?[\s(\[<]*{REFERENCE}", re.IGNORECASE)
MENTIONS = re.compile(r"(?:^|[^a-zA-Z0-9_])@[a-zA-Z0-9]")
COMMANDS = re.compile(r"^\s*/[a-z]", re.IGNORECASE | re.MULTILINE)
SKIPS = re.compile(r"\[(?:skip|no)[ -](?:ci|actions)\]|\[(?:ci|actions)[ -]skip\]|\*\*\*NO_CI\*\*\*", re.IGNORECASE)
HTML = re.compile(r"<(?:[a-zA-Z/?]|!--|!\[)(?!ttps?://)")
IMAGE = re.compile(r"!\[")
HIDDEN_DEFINITION = re.compile(r"\]:")
ENTITY = re.compile(r"&(?!amp;|lt;|gt;|quot;)#?[a-zA-Z0-9]+;")
DETECTORS = [MENTIONS, COMMANDS, SKIPS, HTML, IMAGE, HIDDEN_DEFINITION, ENTITY]


def rendered(text: str) -> str:
    return re.sub(r"[*`~\\]", "", text)


def assert_harmless(text: str) -> None:
    for detector in DETECTORS:
        assert not detector.search(text), detector.pattern
    assert not CLOSES.search(text)
    assert not CLOSES.search(rendered(text))
    assert all(c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} for c in text)


# fmt: off: one line for many short fragments
FRAGMENTS = st.sampled_from(
    [
        "Fixes",
        "closes",
        "F*i*xes",
        "resolved:",
        "fix",
        "implementing",
        " ",
        "",
        "",
        "",
        "",
        "",
        "  ",
        "\t",
        "\r",
        "",
        "\u2028",
        "#1",
        "#",
        "1",
        "GH-7",
        "owner/repo#2",
        "own#3",
        "-",
        "_",
        ".",
        "(",
        ")",
        ":",
        "[",
        "]",
        "<",
        ">",
        "https://github.com/o/r/issues/4",
        "https://forge.test/g/p/-/merge_requests/5",
        "@",
        "@user",
        "@org/team",
        "user@example.com",
        "\\",
        "/merge",
        "/",
        "/usr/bin",
        "[skip ci]",
        "[ci skip]",
        "[no ci]",
        "skip",
        "ci",
        "***NO_CI***",
        "***",
        "NO_CI",
        "no_ci",
        "skip-checks: true",
        "Signed-off-by: A <a@b.c>",
        "!",
        "![",
        "](",
        "img",
        "![x](https://e.test/p.png)",
        "<img src=x>",
        "<!--",
        "-->",
        "<!-- codecourier run=u attempt=1 -->",
        "[//]: # (hidden)",
        "```",
        "````",
        "~~~",
        "```py",
        "``` py hidden",
        "    ```",
        "  ```",
        "> ```",
        "- ```",
        "`",
        "*",
        "_",
        "~",
        "&",
        "&commat;",
        "&#35;",
        "&#x40;",
        "&lt;",
        ";",
        "amp",
        "\u200b",
        "\u202e",
        "\u2066",
        "\u3164",
        "\U000e0041",
        "\ud800",
        "\x00",
        "\x1b",
        "<https://example.com>",
        "\xe9",
        "\u6f22\u5b57",
        "\U0001f469\u200d\U0001f4bb",
        "issue",
        "codecourier-run: x",
        "Change-Id: I1",
        "<details>",
        "</details>",
        "http://x",
    ]
)
# fmt: on
AGENT_TEXT = st.one_of(
    st.text(),
    st.lists(st.one_of(FRAGMENTS, st.just("\n"), st.just(" "), st.text(max_size=3)), max_size=30).map("".join),
)


@given(AGENT_TEXT)
@example("Fixes\n```fix\n#1")
@example("Fixes\n``` é\n#1")
@example("[x\n]: # (y)")
@example("```FIX_0#0")
@example("FIX#*0")
@example("FIX:FIXFIX*a/b#1")
def test_defused_body_does_nothing_and_a_second_pass_changes_nothing(text: str) -> None:
    body = defuse_body(text)
    assert_harmless(body)
    assert defuse_body(body) == body
    assert len(body.encode()) <= BODY_MAX_BYTES


@given(AGENT_TEXT)
@example("FIX/0#0")
@example("FIX/*0#0")
@example("FIX*/0#0")
@example("fix*#1")
@example("fix#0#0")
@example("fix_-0#0")
def test_defused_title_does_nothing_and_a_second_pass_changes_nothing(text: str) -> None:
    title = defuse_title(text)
    assert_harmless(title)
    assert defuse_title(title) == title
    assert len(title) <= TITLE_MAX_CHARS
    assert "\n" not in title


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Nd", "Zs", "Po"], exclude_characters="@&!#/*\\")))
def test_plain_prose_stays_as_it_is(text: str) -> None:
    letters = re.sub(r"[\u3164\uffa0\u115f\u1160\u17b4\u17b5]", "", text)
    assert defuse_body(letters) == letters


@given(AGENT_TEXT, st.integers(min_value=1, max_value=200))
def test_a_long_text_is_cut_closed_and_says_so(text: str, length: int) -> None:
    long = ("word " * 10 + "\n") * 1300 + text * length
    body = defuse_body(long)
    assert len(body.encode()) <= BODY_MAX_BYTES
    assert body.endswith("(shortened)\n")
    assert defuse_body(body) == body


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{'~' * (3 + n % 300)}\nx\n" for n in range(2000)),
        "".join(f"{'~' * (300 - n % 297)}\nx\n" for n in range(2000)),
        "~" * BODY_MAX_BYTES,
        "text\n" + "~" * (BODY_MAX_BYTES - 20) + "\ncode",
        "```\n" + "code\n" * 20_000,
    ],
    ids=["growing", "shrinking", "one fence", "a fence that cannot be closed", "code"],
)
def test_a_text_of_fences_is_cut_where_they_can_be_closed(text: str) -> None:
    body = defuse_body(text)
    assert len(body.encode()) <= BODY_MAX_BYTES
    assert body.endswith("(shortened)\n")
    assert defuse_body(body) == body
    if text.startswith("```"):
        assert len(body) > BODY_MAX_BYTES - 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fixes #1", "Fixes issue #1"),
        ("This closes: owner/repo#2, too.", "This closes issue: owner/repo#2, too."),
        ("**Resolves** [#3](u)", "**Resolves issue** [#3](u)"),
        ("F*i*xes #1", "F*i*xes issue #1"),
        ("fixes \\#1", "fixes issue \\#1"),
        ("fixes#1", "fixes issue #1"),
        ("fixes\n\n#1", "fixes issue\n\n#1"),
        ("Fixes https://github.com/o/r/issues/1", "Fixes issue https://github.com/o/r/issues/1"),
        ("Fixes <!-- x --> #1", "Fixes < !-- x --> #1"),
        ("See #12 about the fixture#1 and hotfix #2.", "See #12 about the fixture#1 and hotfix #2."),
        ("Thanks @octocat and @org/team", "Thanks @ octocat and @ org/team"),
        ("write to user@example.com", "write to user@example.com"),
        ("&commat;user &lt;b&gt; &#64;user", "& commat;user &lt;b&gt; & #64;user"),
        ("/merge\n  /approve now\na /path", "\\/merge\n  \\/approve now\na /path"),
        ("Done [skip ci]", "Done (skip ci)"),
        ("Done [ci skip] [skip actions]", "Done (ci skip) (skip actions)"),
        ("***NO_CI***", "*** NO_CI ***"),
        ("skip-checks: true", "skip-checks - true"),
        ("Co-authored-by: A <a@b.c>", "Co-authored-by - A < a@b.c>"),
        ("![x](https://e.test/p.png)", "! [x](https://e.test/p.png)"),
        ('<img src="https://e.test/p.png">', '< img src="https://e.test/p.png">'),
        ("see <https://example.com/a>", "see <https://example.com/a>"),
        ("[//]: # (hidden)", "[//] : # (hidden)"),
        ("```py hidden words\nx\n```", "```py\nx\n```"),
        ("```\ncode", "```\ncode\n```\n"),
        ("~~~~\n```\n", "~~~~\n```\n~~~~\n"),
        ("- a\n  ```\n  b", "- a\n  ```\n  b\n  ```\n"),
        ("a\u202eb\u200bc\x07d\r\ne", "abcd\ne"),
        ("if a < b and c <d: x @ y", "if a < b and c < d: x @ y"),
    ],
)
def test_body(text: str, expected: str) -> None:
    assert defuse_body(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Add the\ncart \t total ", "Add the cart total"),
        ("Fixes #1: cart [skip ci]", "Fixes issue #1: cart (skip ci)"),
        ("x" * 300, "x" * 255 + "…"),
        ("\u200b\u202e", ""),
        ("/merge", "\\/merge"),
    ],
)
def test_title(text: str, expected: str) -> None:
    assert defuse_title(text) == expected


@given(AGENT_TEXT, st.uuids(), st.integers(min_value=1, max_value=10**6))
def test_agent_text_never_carries_a_marker(text: str, uid: object, attempt: int) -> None:
    line = marker(str(uid), attempt)
    assert not has_marker(defuse_body(text + line + text), str(uid), attempt)
    assert has_marker(f"{defuse_body(text)}\n{line}\n", str(uid), attempt)


def test_marker_is_of_one_run_and_attempt() -> None:
    assert marker("0a-1b", 2) == "<!-- codecourier run=0a-1b attempt=2 -->"
    assert not has_marker(marker("0a-1b", 2), "0a-1b", 3)
    assert not has_marker(marker("0a-1b", 12), "0a-1b", 1)


@pytest.mark.parametrize(("uid", "attempt"), [("", 1), ("a -->", 1), ("a\n", 1), ("a", 0)])
def test_marker_refuses_what_could_break_out(uid: str, attempt: int) -> None:
    with pytest.raises(ValueError, match="no marker"):
        marker(uid, attempt)
