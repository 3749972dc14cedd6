"""Text written by agents, made harmless for pull requests, commit messages and titles.

What an agent reads may dictate what it writes. On a forge, text has effects: it closes issues, notifies users, commands
bots, skips CI, loads tracking images, hides words from the reader. The functions here keep the words and remove the
effect, almost always with one space at the right place: that stays readable in Markdown, in code and in plain text,
survives every later rendering, and a second pass changes nothing.

Used by the operator for pull requests and by the runner for commit messages: standard library only.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

__all__ = [
    "BODY_MAX_BYTES",
    "MARK",
    "TITLE_MAX_CHARS",
    "defuse_body",
    "defuse_title",
    "has_marker",
    "marker",
    "one_line",
    "session_marker",
    "show_hidden",
    "visible",
]

MARK = "<!-- codecourier run="
"""How the markers of all Runs begin."""

BODY_MAX_BYTES = 60 * 1024
"""Longest body or message in bytes of UTF-8. GitHub takes 65,536 characters; the rest is the operator's part."""

TITLE_MAX_CHARS = 256
"""Longest title in characters, which is also GitHub's limit."""

_SHORTENED = "\n\n(shortened)\n"
_MOST_CUTS = 3
"""How often a cut is made shorter because the fence that it leaves open needs room; then a place is searched for."""

_LINE_CUT_CHARS = 2000
"""How many characters may be dropped to cut at the end of a line rather than within one."""

# Invisible characters that Unicode calls letters or marks, or has only reserved: Hangul fillers, the combining grapheme
# joiner, the blank Braille pattern, variation selectors beside the two that emoji need. All are used to hide text.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\uffa0\ufff0-\ufff8\ufe00-\ufe0d\U000e0000-\U000e0fff]"
)
_LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")

_CLOSING_WORDS = (
    *("close", "closes", "closed", "closing"),
    *("fix", "fixes", "fixed", "fixing"),
    *("resolve", "resolves", "resolved", "resolving"),
    *("implement", "implements", "implemented", "implementing"),
)


_MARKDOWN = r"*_~`\\"
_HIDDEN = rf"[{_MARKDOWN}]{{0,4}}"
"""Markdown in the middle of a word, which a forge renders away."""


def _spelled(word: str) -> str:
    """Return a pattern for a word whose letters may have Markdown between them."""
    return _HIDDEN.join(word)


_CLOSING_WORD = "|".join(_spelled(word) for word in sorted(_CLOSING_WORDS, key=len, reverse=True))
_ISSUE_URL = r"https?://[^\s/]{1,255}/[^\s]{1,255}?/(?:issues|pull|pulls|merge_requests|work_items)/\d"
_NUMBER = rf"\#{_HIDDEN}\d"
_NAME = rf"[\w.{_MARKDOWN}-]"
_NAMED_ISSUE = rf"(?:{_spelled('GH-')}{_HIDDEN}\d|[A-Za-z0-9]{_NAME}{{0,99}}+(?:/{_NAME}{{1,100}}+)?{_NUMBER})"
_CLOSING = re.compile(
    rf"""
    (?<![A-Za-z0-9]) (?P<word>{_CLOSING_WORD})
    (?= (?P<glue>[\W_]*) (?: {_NUMBER} | (?<![A-Za-z0-9]) (?:{_ISSUE_URL}|{_NAMED_ISSUE}) ) )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9])")
_COMMENT = re.compile(r"<(?=!)")
_HTML = re.compile(r"<(?=[A-Za-z/!?])(?!https?://[^\s<>]*>)")
_ENTITY = re.compile(r"&(?=\#?[A-Za-z0-9]{1,40};)(?!(?:amp|lt|gt|quot);)")
_IMAGE = re.compile(r"!(?=\[)")
# What such a line says is not shown: `[//]: # (a comment)`.
_LINK_DEFINITION = re.compile(r"\](?=:)")
_SKIP_CI = re.compile(r"\[(\s*(?:(?:skip|no)[\s_-]{1,9}[\w-]{1,30}|[\w-]{1,30}[\s_-]{1,9}skip)\s*)\]", re.IGNORECASE)
_NO_CI = re.compile(r"(?<=\*)(?=NO_CI)|(?<=NO_CI)(?=\*)", re.IGNORECASE)
_COMMAND = re.compile(r"^([ \t]*)/(?=[A-Za-z])", re.MULTILINE)
_TRAILER = re.compile(
    r"^([ \t]*(?:[a-z][a-z-]{0,40}-by|skip-checks|change-id|codecourier[\w-]{0,40}))[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<ticks>`{3,}+(?=[^`\n]*$)|~{3,}+)(?P<info>.*)$", re.MULTILINE)
_LANGUAGE = re.compile(r"[ \t]*+([A-Za-z0-9+\#._-]{1,30})(?![^\s])")
_MARKER_UID = re.compile(r"[A-Za-z0-9-]{1,64}")


def defuse_body(text: str) -> str:
    """Make an agent's text harmless as a pull request's body or a commit's message.

    A second pass changes nothing. A longer text is cut and ends with a remark that it was.

    Parameters
    ----------
    text
        What the agent wrote, of any length.

    Returns
    -------
    str
        At most `BODY_MAX_BYTES` bytes in UTF-8, every code fence closed, lines ended by line feeds.
    """
    # Twice the bound in characters: no work is spent on text that will be cut anyway.
    shown = visible(text[: 2 * BODY_MAX_BYTES])
    defused = _inert(_without_hidden_info(shown))
    return _bounded(defused)


def defuse_title(text: str) -> str:
    """Make an agent's text harmless as a title or a commit's first line.

    Parameters
    ----------
    text
        What the agent wrote, of any length; line breaks become spaces.

    Returns
    -------
    str
        One line of at most `TITLE_MAX_CHARS` characters; empty if nothing in the text can be shown.
    """
    line = " ".join(visible(text[: 8 * TITLE_MAX_CHARS]).split())
    title = " ".join(_inert(line).split())
    if len(title) <= TITLE_MAX_CHARS:
        return title
    return title[: TITLE_MAX_CHARS - 1].rstrip() + "…"


def one_line(text: str, max_chars: int) -> str:
    """Return the text of others as one line that people see as it is, for statuses and sentences; a longer one is cut.

    Parameters
    ----------
    text
        Of any length.
    max_chars
        Longest line in characters.
    """
    if not (text.isascii() and text.isprintable()):
        # Invisible characters could fill the beginning of a text, so some more are read than will be shown.
        text = " ".join(visible(text[: 8 * max_chars]).split())
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"


def show_hidden(text: str) -> str:
    """Return an agent's text so that people see all of it, wherever it is shown, and otherwise as it is.

    Invisible characters are dropped. Comments of HTML and Markdown, which a page would hide, become text. For texts
    that have no effect at a forge, such as those with names of decorators and generic types.
    """
    return _LINK_DEFINITION.sub("] ", _COMMENT.sub("< ", visible(text)))


def marker(run_uid: str, attempt: int) -> str:
    """Return the line that marks a pull request as that of a Run's attempt; readers do not see it.

    No defused text contains it, so that an agent cannot claim another Run's pull request.

    Parameters
    ----------
    run_uid
        UID of the Run.
    attempt
        Number of the attempt, from 1.

    Raises
    ------
    ValueError
        If the UID has characters other than letters, digits and hyphens, or the attempt is below 1.
    """
    if not _MARKER_UID.fullmatch(run_uid) or attempt < 1:
        raise ValueError(f"no marker can be made for run {run_uid!r}, attempt {attempt}")
    return f"{MARK}{run_uid} attempt={attempt} -->"


def has_marker(body: str, run_uid: str, attempt: int) -> bool:
    """Return whether a pull request's body carries the marker of this Run's attempt."""
    return marker(run_uid, attempt) in body


def session_marker(session_uid: str) -> str:
    """Return the line that marks a comment on an issue as that of an IssueSession; readers do not see it.

    Parameters
    ----------
    session_uid
        UID of the session.

    Raises
    ------
    ValueError
        If the UID has characters other than letters, digits and hyphens.
    """
    if not _MARKER_UID.fullmatch(session_uid):
        raise ValueError(f"no marker can be made for session {session_uid!r}")
    return f"<!-- codecourier issue-session={session_uid} -->"


class _Shown(dict[int, str | None]):
    """Says of each character what is shown of it; it is asked of Unicode once for each."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        is_shown = character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
        self[code] = shown = character if is_shown else None
        return shown


_SHOWN = _Shown()


def visible(text: str) -> str:
    """Drop every invisible character (controls, bidirectional marks, zero widths, lone surrogates)."""
    return _INVISIBLE.sub("", _LINE_END.sub("\n", text)).translate(_SHOWN)


def _inert(text: str) -> str:
    """Remove the effect of everything that a forge, a bot or a CI system acts on."""
    text = _HTML.sub("< ", text)
    text = _ENTITY.sub("& ", text)
    text = _IMAGE.sub("! ", text)
    text = _LINK_DEFINITION.sub("] ", text)
    text = _MENTION.sub("@ ", text)
    text = _SKIP_CI.sub(r"(\1)", text)
    text = _NO_CI.sub(" ", text)
    text = _TRAILER.sub(r"\1 -", text)
    text = _COMMAND.sub(r"\1\\/", text)
    return _CLOSING.sub(_separated, text)


def _separated(match: re.Match[str]) -> str:
    """Put a word between a closing keyword and the issue it names."""
    glue = match["glue"]
    # Without the space, `issue` would itself become part of a reference such as `issue#1` or `issue/1#1`, also where
    # Markdown stands between them, which is not shown.
    shown = glue.lstrip(_MARKDOWN)
    is_apart = shown[:1].isspace() or shown[:1] in tuple(":;,([")
    return f"{match['word']} issue" + ("" if is_apart else " ")


@dataclass(frozen=True)
class _Fence:
    """An open code fence."""

    indent: str
    ticks: str

    def is_closed_by(self, match: re.Match[str]) -> bool:
        """Return whether a line that looks like a fence closes this one."""
        return match["ticks"].startswith(self.ticks) and not match["info"].strip()

    @property
    def closing(self) -> str:
        """The line that closes it, with the same indent, so that it also closes one in a list."""
        return self.indent + self.ticks


def _fence_after(fence: _Fence | None, match: re.Match[str]) -> _Fence | None:
    """Return the code fence that is open after a line that looks like one, None if none is."""
    if fence is None:
        return _Fence(match["indent"], match["ticks"])
    return None if fence.is_closed_by(match) else fence


def _without_hidden_info(text: str) -> str:
    """Keep only the language of each code fence: the rest of that line is not shown."""
    fence: _Fence | None = None

    def shown(match: re.Match[str]) -> str:
        nonlocal fence
        before, fence = fence, _fence_after(fence, match)
        if before is not None:
            return match[0]
        language = _LANGUAGE.match(match["info"])
        word = language[1] if language and _is_harmless(language[1]) else ""
        return f"{match['indent']}{match['ticks']}{word}"

    return _FENCE.sub(shown, text)


@lru_cache(maxsize=256)
def _is_harmless(language: str) -> bool:
    return language.lower() not in _CLOSING_WORDS and _inert(language) == language


def _closing(text: str) -> str:
    """Return what closes the code fence that is open at the end, so that it does not swallow what the operator adds."""
    fence: _Fence | None = None
    for match in _FENCE.finditer(text):
        fence = _fence_after(fence, match)
    if fence is None:
        return ""
    return ("" if text.endswith("\n") else "\n") + fence.closing + "\n"


def _bounded(text: str) -> str:
    """Cut a text to the bound, at a line's end if possible, close its fence and add that it was cut."""
    whole = text + _closing(text)
    if len(whole.encode()) <= BODY_MAX_BYTES:
        return whole
    most = room = BODY_MAX_BYTES - len(_SHORTENED)
    for _ in range(_MOST_CUTS):
        cut = text.encode()[:room].decode(errors="ignore")
        line_end = cut.rfind("\n", -_LINE_CUT_CHARS) + 1
        cut = cut[:line_end] if line_end else cut
        cut += _closing(cut)
        excess = len(cut.encode()) - most
        if excess <= 0:
            return cut + _SHORTENED
        room -= excess
    return _cut_before_fence(text, most) + _SHORTENED


def _cut_before_fence(text: str, room: int) -> str:
    """Return the longest beginning that ends before a line that looks like a fence and fits with what closes it.

    In one pass: a text can be made so that each shorter beginning leaves a longer fence open.
    """
    fence: _Fence | None = None
    best = 0, ""
    size = position = 0
    for match in _FENCE.finditer(text):
        size += len(text[position : match.start()].encode())
        position = match.start()
        closing = "" if fence is None else fence.closing + "\n"
        if size > room:
            break
        if size + len(closing) <= room:
            best = position, closing
        fence = _fence_after(fence, match)
    return text[: best[0]] + best[1]
