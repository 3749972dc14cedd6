"""The one list of what credentials look like, and the function that hides them.

Code that uses a credential keeps it out of logs and messages. This is the last line of defence for texts from outside
(a forge, a library, git), so it hides too much rather than too little. Standard library only: the operator's log, the
forge's client and a sandbox pod can all use it.
"""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "redact"]

HIDDEN = "***"
"""Replaces a credential."""

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
