"""The one list of what credentials look like, and the function that hides them.

Code that uses a credential keeps it out of logs and messages. This is the last line of defence for texts from outside
(a forge, a library, git), so it hides too much rather than too little. Standard library only: the operator's log, the
forge's client and a sandbox pod can all use it.
"""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "LINE_MAX_BYTES", "LogRedaction", "redact"]

HIDDEN = "***"
"""Replaces a credential."""

LINE_MAX_BYTES = 65_536
"""Longest line of a log that is shown whole."""

_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_NAMES_WHAT_FOLLOWS = re.compile(r"""(?i)(?:authorization\W{0,8}|bearer|basic|token)\s{0,8}\Z""")
_LEFT_OUT = "… (the rest of the line is left out)"

# An attacker may choose the text, of megabytes, so each shape takes linear time: wherever a match starts, it either
# succeeds or fails before the next place where it can start.
_SHAPES = (
    re.compile(
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r".*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
        re.DOTALL,
    ),
    re.compile(r"(?<![A-Za-z0-9])(?:gh[a-z]_|github_pat_|cc_live_)[A-Za-z0-9_.-]{4,}"),
    # Keys that agents have or meet: of model providers, GitLab, Slack and Amazon.
    re.compile(r"(?<![A-Za-z0-9])(?:sk-(?:ant|proj|svcacct)-|glpat-|xox[a-z]-)[A-Za-z0-9_-]{8,}"),
    re.compile(r"(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    # JSON web tokens, of a GitHub App or a service account. A part of one is hidden too.
    re.compile(r"(?<![A-Za-z0-9])eyJ[\w-]{8,}(?:\.[\w-]+){0,4}"),
    re.compile(
        r"""(?ix) (?<=authorization) (?P<kept> \\?["']? \s*[:=,]\s* (?:b(?=["']))? \\?["']? )
        (?:(?:bearer|basic|token)\s+)? [^\s"',\\]+"""
    ),
    re.compile(r"(?i)\b(?P<kept>(?:bearer|basic|token)(?:\s|\\[nrt])+)[A-Za-z0-9+/=_.~-]{20,}"),
    re.compile(r"(?P<kept>x-access-token:)[^\s@/]+"),
    re.compile(r"(?P<kept>://)[^\s/]+(?=@)"),
)


def redact(text: str) -> str:
    """Hide whatever looks like a token, a key, a password in a URL or an authorization header."""
    for shape in _SHAPES:
        text = shape.sub(_hide, text)
    return text


def _hide(match: re.Match[str]) -> str:
    return match.groupdict().get("kept", "") + HIDDEN


class LogRedaction:
    """Hides what `redact` hides in a text that comes in parts, line by line, in bounded memory.

    A private key is hidden over all of its lines. Of a line that is longer than 64 KiB only the beginning is shown:
    what a cut separates could no longer be recognised.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._held = ""
        self._is_too_long = False
        self._is_in_key = False

    def feed(self, part: bytes) -> bytes:
        """Take a part; return what can be shown, as UTF-8."""
        shown: list[str] = []
        start = 0
        while (end := part.find(b"\n", start)) >= 0:
            self._add(part[start:end])
            shown.append(self._end_line())
            start = end + 1
        self._add(part[start:])
        return "".join(shown).encode()

    def close(self) -> bytes:
        """Return what is left at the end of the text."""
        has_line = bool(self._line) or self._is_too_long
        shown = self._end_line() if has_line else ""
        held, self._held = self._held, ""
        return (shown + self._show(held)).encode()

    def _add(self, part: bytes) -> None:
        room = LINE_MAX_BYTES - len(self._line)
        self._is_too_long |= len(part) > room
        self._line += part[:room]

    def _end_line(self) -> str:
        line = self._line.decode(errors="replace") + (_LEFT_OUT if self._is_too_long else "")
        self._line.clear()
        self._is_too_long = False
        text = self._held + line + "\n"
        if len(text) <= LINE_MAX_BYTES and _NAMES_WHAT_FOLLOWS.search(text[-64:]):
            # What the line names may stand in the next one.
            self._held = text
            return ""
        self._held = ""
        return self._show(text)

    def _show(self, text: str) -> str:
        if self._is_in_key:
            end = _KEY_END.search(text)
            if end is None:
                return ""
            self._is_in_key = False
            text = text[end.end() :]
        begins = [begin.end() for begin in _KEY_BEGIN.finditer(text)]
        self._is_in_key = bool(begins) and _KEY_END.search(text, begins[-1]) is None
        return redact(text) + ("\n" if self._is_in_key else "")
