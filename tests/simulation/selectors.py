"""Label selectors, as kubectl and the API server take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

__all__ = ["Matches", "selector"]

Matches = Callable[[Mapping[str, str]], bool]

_TERM = re.compile(r"\s*(?:!(?P<absent>[^\s,=!()]+)|(?P<key>[^\s,=!()]+)\s*(?P<test>==|=|!=|\bin\b|\bnotin\b)?)")
_VALUES = re.compile(r"\s*\(([^)]*)\)")
_VALUE = re.compile(r"\s*([^\s,]*)")


@lru_cache
def selector(text: str) -> Matches:
    """Return a function that tells whether labels match; empty text matches all.

    Raises
    ------
    ValueError
        The text is no selector.
    """
    terms = _terms(text)
    return lambda labels: all(term(labels) for term in terms)


def _terms(text: str) -> list[Matches]:
    terms: list[Matches] = []
    position = 0
    while text[position:].strip():
        match = _TERM.match(text, position)
        if match is None:
            raise ValueError(f"no label selector at {position} in {text!r}")
        term, position = _term(match, text, match.end())
        terms.append(term)
        rest = text[position:].lstrip()
        if rest and not rest.startswith(","):
            raise ValueError(f"a comma is missing at {position} in {text!r}")
        position = len(text) - len(rest) + bool(rest)
    return terms


def _term(match: re.Match[str], text: str, position: int) -> tuple[Matches, int]:
    absent, key, test = match.group("absent"), match.group("key"), match.group("test")
    if absent:
        return lambda labels: absent not in labels, position
    if test is None:
        return lambda labels: key in labels, position
    value = (_VALUES if test in ("in", "notin") else _VALUE).match(text, position)
    if value is None:
        raise ValueError(f"values are missing at {position} in {text!r}")
    values = frozenset(part.strip() for part in value.group(1).split(","))
    if test in ("!=", "notin"):
        return lambda labels: labels.get(key) not in values, value.end()
    return lambda labels: labels.get(key) in values, value.end()
