"""What others wrote, as quotations for an agent: each line is marked, and the whole is bounded."""

from __future__ import annotations

import re

from codecourier.text import visible

__all__ = ["bound_lines", "quote_end", "quote_markdown"]

_CUT = "> (shortened)"

_LINK_COMMENT = re.compile(r"^[ >]{0,8}\[[^\]\n]{0,999}\]:[ \t]*(?:<[^>\n]*>|#)(?:[ \t].*)?$", re.MULTILINE)
"""The definition of a link that leads nowhere, such as `[//]: # (a comment)`."""

_HTML_LINE = re.compile(r"^[ \t>*+.)0-9-]*<[A-Za-z/!?]", re.MULTILINE)
"""The beginning of a line from which on a page takes text for HTML."""


def quote_markdown(text: str, most: int) -> list[str]:
    """Return the lines of a text that its page shows, each marked as quoted, of at most so many bytes."""
    shown = _LINK_COMMENT.sub("", visible(_without_comments(text)))
    return bound_lines([f"> {line}".rstrip() for line in shown.strip().split("\n")], most)


def bound_lines(lines: list[str], most: int) -> list[str]:
    """Return the beginning of quoted lines that has at most so many bytes; a line that is too long is cut."""
    if sum(len(line.encode()) + 1 for line in lines) <= most:
        return lines
    room = most - len(_CUT) - 1
    kept: list[str] = []
    for line in lines:
        beginning = line.encode()[: max(room - 1, 0)].decode(errors="ignore")
        kept += [beginning.rstrip()] if beginning.strip("> ") or beginning == line else []
        room -= len(line.encode()) + 1
        if beginning != line:
            break
    return [*kept, _CUT]


def quote_end(text: str, most: int) -> list[str]:
    """Return the last lines of a plain text, such as a log, each marked as quoted, of at most so many bytes."""
    lines = [f"> {line}".rstrip() for line in visible(text[-4 * most :]).strip().split("\n")]
    if sum(len(line.encode()) + 1 for line in lines) <= most and len(text) <= 4 * most:
        return lines
    room, first = most - len(_CUT) - 1, len(lines)
    while first and (room := room - len(lines[first - 1].encode()) - 1) >= 0:
        first -= 1
    if first == len(lines):
        kept = lines[-1].encode()[-max(most - len(_CUT) - 4, 0) :].decode(errors="ignore")
        return [_CUT, f"> {kept}".rstrip()]
    return [_CUT, *lines[first:]]


def _without_comments(text: str) -> str:
    """Return a text without its HTML comments, which no page shows.

    One that is not closed hides the rest where HTML can begin. Elsewhere a page shows it as text, such as that of an
    issue about comments.
    """
    parts: list[str] = []
    position = 0
    while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        parts.append(text[position:start])
        position = end + 3
    rest = text[position:]
    before = "".join(parts) + rest.partition("<!--")[0]
    is_hiding = "<!--" in rest and _HTML_LINE.search(f"{before}<!--") is not None
    return before if is_hiding else "".join((*parts, rest))
