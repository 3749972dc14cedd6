"""Whatever members, agents and hosts write costs the operator time that grows no faster than the text.

The regular expressions and the parsers are found in the source, so a new one is tried without an entry here. Rules in
CEL and the patterns of the CRDs are judged elsewhere: the regular expressions of the API server (RE2) and of pydantic
(Rust) are linear by construction, and the API server refuses a CRD whose rules could cost more than their budget
(`tests/resources/served_test.py` has it take each of ours).
"""

from __future__ import annotations

import inspect
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import Any

import pytest

import codecourier
from codecourier.controller.problems import problem_of_forge
from codecourier.core.shared.consent import SecretMetadata, find_secret_problem
from codecourier.core.shared.naming import ANNOTATION_REPOSITORIES, LABEL_REPOSITORY_CREDENTIAL
from codecourier.core.shared.prompts import render_template
from codecourier.github.answers import Answer
from codecourier.github.budget import find_limit
from codecourier.github.refusals import to_error
from codecourier.kube.errors import error_from_status
from codecourier.local.processnode.content import expand
from codecourier.result import Details, frame_details, parse_details
from codecourier.settings import load_settings
from codecourier.wire import Message
from tests.support.patterns import FoundPattern, find_patterns, modules_of
from tests.support.worst import NOTICED_SECONDS_OF_PATTERN, PIECES, attacks, find_growth, pieces_of

MADE_LATER: Mapping[str, str] = {
    "codecourier.resources.schema": "our own models, when the CRDs are generated",
    "codecourier.local.processnode.launching": "the mount paths of one pod, escaped",
    "codecourier.local.forge.control_routes": "given by the test that plants a fault",
    "codecourier.local.forge.application": "given by the test that plants a fault",
}
"""Modules that make patterns out of what they are given, and what that is."""

PATTERNS = [found for module in modules_of(codecourier) for found in find_patterns(module)]
KNOWN = [found for found in PATTERNS if found.pattern is not None]


def test_patterns_that_are_made_later_are_known() -> None:
    places = {found.place.partition(":")[0] for found in PATTERNS if found.pattern is None}
    assert places == set(MADE_LATER)


@pytest.mark.parametrize("found", KNOWN, ids=lambda found: found.place)
def test_a_pattern_takes_linear_time(found: FoundPattern) -> None:
    pattern = found.pattern
    assert pattern is not None
    is_bytes = isinstance(pattern.pattern, bytes)

    def work(text: str) -> None:
        subject: Any = text.encode() if is_bytes else text
        pattern.fullmatch(subject)
        if found.is_anchored:
            pattern.match(subject)
        else:
            sum(1 for _ in pattern.finditer(subject))

    for attack in attacks(pieces_of(pattern), with_pairs=True):
        assert find_growth(work, attack, NOTICED_SECONDS_OF_PATTERN) is None


@pytest.mark.parametrize("source", [r"\{\{(.*?)\}\}", r"a.*b", r"\s+$"])
def test_a_pattern_of_quadratic_time_is_found(source: str) -> None:
    pattern = re.compile(source, re.DOTALL)

    def work(text: str) -> None:
        sum(1 for _ in pattern.finditer(text))

    tried = attacks(pieces_of(pattern), with_pairs=False)
    assert any(find_growth(work, attack, NOTICED_SECONDS_OF_PATTERN) for attack in tried)


def _type_of(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


VALUES: Mapping[str, Callable[[str], object]] = {
    "str": lambda text: text,
    "str | None": lambda text: text,
    "str | bytes": lambda text: text,
    "bytes": lambda text: text.encode(errors="replace"),
    "int": lambda _: 1000,
    "int | None": lambda _: 1000,
    "float": lambda _: 0.0,
    "bool": lambda _: False,
}
"""What a function that takes texts and numbers is called with."""

TEXTS = {"str", "str | None", "str | bytes", "bytes"}


def _text_functions(module: ModuleType) -> Iterator[tuple[str, Callable[[str], object]]]:
    """Yield the public functions that take nothing but texts and numbers, once for each text that they take."""
    for name in getattr(module, "__all__", ()):
        function = getattr(module, name)
        if not inspect.isfunction(function) or function.__module__ != module.__name__:
            continue
        types = {name: _type_of(parameter) for name, parameter in inspect.signature(function).parameters.items()}
        if all(type_ in VALUES for type_ in types.values()):
            for argument, type_ in types.items():
                if type_ in TEXTS:
                    yield f"{module.__name__}.{name}({argument})", partial(_call, function, types, argument)


def _call(function: Callable[..., object], types: Mapping[str, str], argument: str, text: str) -> None:
    values = {name: VALUES[type_](text if name == argument else "a") for name, type_ in types.items()}
    made = function(**values)
    if isinstance(made, Iterator):
        deque(made, maxlen=0)


def _messages(kind: type[Message] = Message) -> Iterator[type[Message]]:
    for child in kind.__subclasses__():
        yield child
        yield from _messages(child)


def _answer(text: str) -> None:
    for body in (text, json.dumps({"message": text, "errors": [{"field": text, "message": text}]})):
        answer = Answer("GET", 422, {"x-accepted-github-permissions": text, "retry-after": text}, body)
        error = to_error(answer, None, (), is_write=False)
        problem_of_forge(error, "https://github.com/acme/shop", text)
        find_limit(403, answer.headers, text, 0.0)


def _secret(text: str) -> None:
    secret = SecretMetadata(text, "Opaque", {LABEL_REPOSITORY_CREDENTIAL: "true"}, {ANNOTATION_REPOSITORIES: text})
    find_secret_problem(secret, "https://github.com/acme/shop")


def _details(text: str) -> None:
    line, digest = frame_details(Details(summary=text[:200_000]))
    parse_details(f"{text}\n{line}\n{text}", digest)


OTHERS: Mapping[str, Callable[[str], object]] = {
    **{f"{kind.__name__}.from_json": kind.from_json for kind in _messages()},
    "an answer of a forge": _answer,
    "a Secret's metadata": _secret,
    "details in a log": _details,
    "a template": lambda text: render_template(text, {"prompt": "x"}),
    "a refusal of the API server": lambda text: error_from_status(422, {"message": text, "reason": text}),
    "a file of settings": lambda text: load_settings({"CODECOURIER_FORGE_HOSTS": text}),
    "references to variables": lambda text: expand(text, {"a": "b"}),
}
"""Parsers that take more than texts."""

PARSERS = {
    **dict(pair for module in modules_of(codecourier, "local", "cli") for pair in _text_functions(module)),
    **OTHERS,
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_linear_time(name: str) -> None:
    def work(text: str) -> None:
        with suppress(Exception):
            PARSERS[name](text)

    for attack in attacks(PIECES, with_pairs=False):
        assert find_growth(work, attack) is None


def test_the_parsers_of_what_comes_from_outside_are_found() -> None:
    known = {name.partition("(")[0].removeprefix("codecourier.") for name in PARSERS}
    assert known >= {
        "address.split_address",
        "github.errors.scrub",
        "redaction.redact",
        "runner.manifest.parse_listing",
        "runner.message.split_summary",
        "runner.remote.parse_retry_after",
        "text.defuse_body",
    }
