"""Texts that make a pattern or a parser work as hard as it can, and how its work grows with them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import Any

__all__ = ["NOTICED_SECONDS_OF_PATTERN", "PIECES", "Attack", "attacks", "find_growth", "pieces_of"]

_PARSER: Any = import_module("re._parser")
"""Python's parser of patterns, which has no types; whether mypy knows the module depends on what else it reads."""

PIECES = (
    *("a", " ", "\n", "\r\n", "\t", "0", "9", "\0", "\u3042", "\ud800"),
    *(
        "{{",
        "}}",
        "<",
        "@",
        "#",
        "&",
        "`",
        "~~~",
        "```\n",
        "[",
        "](",
        "(",
        "!",
        "*",
        "_",
        "-",
        ".",
        "/",
        "..",
        "../",
        "./",
    ),
    *(":", ",", '"', "'", "\\", "%", "=", "$(", "?", "\x1b[", "\x1b]", "https://", "a.", "a/", "a-", "A:", "0."),
    *("fix ", "fix#", "fix-", "[skip ", "closes a/a#0 ", "Signed-off-by: a\n", "<!-- ", "token ", "ghp_", "://", "eyJ"),
    *("authorization: ", "-----BEGIN PRIVATE KEY-----", '{"a":', "[[", "CODECOURIER-DETAILS ", "100644 blob a\ta\0"),
)
"""What texts are made of where nothing better is known: what some parser of the product treats in its own way."""

_GROWTH = 3.0
"""Most by which the work may grow when the input doubles: by 2 where it is linear, by 4 where it is quadratic."""

_SHORT = 2_000
"""Characters of the first input."""

NOTICED_SECONDS = 0.002
"""Work of a parser on a short input that takes less is not followed."""

NOTICED_SECONDS_OF_PATTERN = 0.0007
"""The same of a pattern: what is quadratic takes at least twice as long on the fastest machine that was tried."""

_STEADY_SECONDS = 0.02
"""Work that takes less is measured on larger inputs, as other costs would hide its growth."""

_LONGEST = 200_000
_ROUNDS = 3
_ENDS = ("", "\0", "!x")
_MOST_PIECES = 12
_COMMON = ("a", " ", "\n")


def pieces_of(pattern: re.Pattern[Any]) -> tuple[str, ...]:
    """Return texts to repeat that concern a pattern: beginnings of what it matches, and what its parts match."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    found = [sample for sample in _samples(_PARSER.parse(source, pattern.flags)) if sample]
    return tuple(dict.fromkeys((*_COMMON, *sorted(set(found), key=len)[:_MOST_PIECES], *found[-2:])))


def attacks(pieces: Sequence[str], *, with_pairs: bool) -> Iterator[Attack]:
    """Yield texts that repeat a piece or a pair of pieces, some with a beginning, and some with an end that fails.

    Parameters
    ----------
    pieces
        What texts are made of.
    with_pairs
        Whether pairs of pieces are repeated too.
    """
    pairs = [one + other for one, other in product(pieces, repeat=2) if one != other] if with_pairs else []
    starts = ("", *pieces[-2:])
    for pump, start, end in product(dict.fromkeys((*pieces, *pairs)), starts, _ENDS):
        yield Attack(pump, start, end)


@dataclass(frozen=True)
class Attack:
    """A text of any length that may make a parser work hard."""

    pump: str
    start: str = ""
    end: str = ""

    def __call__(self, length: int) -> str:
        """Return the text of about a length in characters."""
        return self.start + self.pump * (length // len(self.pump)) + self.end


def find_growth(work: Callable[[str], object], attack: Attack, noticed: float = NOTICED_SECONDS) -> str | None:
    """Return a sentence when the work on an attack grows more than its length, or None.

    The processor time of this thread is compared, the least of several rounds, so that other processes do not matter.

    Parameters
    ----------
    work
        What is tried.
    attack
        Makes the texts that it is given.
    noticed
        Work on a short text that takes fewer seconds is not followed.
    """
    length = _SHORT
    if _seconds(work, attack(length)) < noticed:
        return None
    while (least := _least(work, attack(length))) < _STEADY_SECONDS and length < _LONGEST:
        length *= 2
    if least < _STEADY_SECONDS:
        return None
    twice = _least(work, attack(2 * length))
    if twice < _GROWTH * least:
        return None
    # Once more, as a bound within the work can make one step high.
    further = _least(work, attack(4 * length))
    if further < _GROWTH * twice:
        return None
    seconds = f"{least:.3f} s, {twice:.3f} s for twice as many, {further:.3f} s for four times as many"
    return f"{attack(20)!r}, to {length} characters: {seconds}"


def _least(work: Callable[[str], object], text: str) -> float:
    return min(_seconds(work, text) for _ in range(_ROUNDS))


def _seconds(work: Callable[[str], object], text: str) -> float:
    start = time.thread_time()
    work(text)
    return time.thread_time() - start


def _samples(tree: Any) -> Iterator[str]:
    """Yield what beginnings of a pattern match, and what the parts within it match."""
    whole = ""
    for op, value in tree:
        yield from _inner(op, value)
        whole += _sample(op, value)
        yield whole


def _inner(op: Any, value: Any) -> Iterator[str]:
    name = str(op)
    if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        yield from _samples(value[2])
    elif name == "SUBPATTERN":
        yield from _samples(value[3])
    elif name == "ATOMIC_GROUP":
        yield from _samples(value)
    elif name in {"ASSERT", "ASSERT_NOT"}:
        yield from _samples(value[1])
    elif name == "BRANCH":
        for branch in value[1]:
            yield from _samples(branch)


def _repeat(value: Any) -> str:
    count: int = max(value[0], 1)
    return _whole(value[2]) * count


def _sample(op: Any, value: Any) -> str:
    """Return one text that a node matches."""
    return _SAMPLES.get(str(op), lambda _: "")(value)


def _whole(tree: Any) -> str:
    return "".join(_sample(op, value) for op, value in tree)


def _of_class(items: Any) -> str:
    (op, value), *rest = items
    name = str(op)
    if name == "NEGATE":
        return next(c for c in "a0 -\n" if not re.match("[" + re.escape(_of_class(rest)) + "]", c)) if rest else "a"
    if name == "RANGE":
        return chr(value[0])
    if name == "LITERAL":
        return chr(value)
    words = {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " "}
    return words.get(str(value), "a")


_SAMPLES: Mapping[str, Callable[[Any], str]] = {
    "LITERAL": chr,
    "NOT_LITERAL": lambda _: "a",
    "ANY": lambda _: "a",
    "IN": _of_class,
    "MAX_REPEAT": _repeat,
    "MIN_REPEAT": _repeat,
    "POSSESSIVE_REPEAT": _repeat,
    "SUBPATTERN": lambda value: _whole(value[3]),
    "ATOMIC_GROUP": _whole,
    "BRANCH": lambda value: _whole(value[1][0]),
    "ASSERT": lambda value: _whole(value[1]) if value[0] > 0 else "",
}
"""Returns one text that a node matches, by the node's operation; the others match no character."""
