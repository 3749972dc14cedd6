"""Which answers the tests have got from the REST API at each door, and which of its OpenAPI document none has got."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from codecourier.apiserver.doors import AGGREGATED
from codecourier.kube.api import Json

__all__ = ["DIRECT", "PASSED_ON", "count_observed", "find_unobserved", "observe"]

DIRECT = "direct"
PASSED_ON = "through kube-apiserver"

Row = tuple[str, str, str, int]
"""Method, route, door and status."""

NEVER: Mapping[tuple[str, int], str] = {
    (PASSED_ON, 429): "A key may ask so often, and no key comes through kube-apiserver, which has limits of its own.",
}
"""What a door never answers by what an operation is, and why."""

_PROJECT = re.compile(rf"{re.escape(AGGREGATED)}/namespaces/[^/]+(?=/api/v1/)")

_observed: set[Row] = set()


def observe(method: str, url: str, door: str, status: int) -> None:
    """Note an answer that a test has got from a REST API, or from kube-apiserver in its place."""
    _observed.add((method, _PROJECT.sub("", urlsplit(url).path), door, status))


def find_unobserved(document: Json) -> list[str]:
    """Return each answer that the OpenAPI document lists and that no test has got at one of the doors."""
    seen = _rows(document)
    wanted = {
        (method.upper(), template, door, int(status))
        for template, methods in document["paths"].items()
        for method, operation in methods.items()
        for status in operation["responses"]
        if status != "default"
        for door in (DIRECT, PASSED_ON)
        if (door, int(status)) not in NEVER
    }
    return [f"{method} {route} ({door}): {status}" for method, route, door, status in sorted(wanted - seen)]


def count_observed(document: Json) -> str:
    """Return how many answers the tests have got, as a sentence."""
    seen = _rows(document)
    by_door = ", ".join(f"{sum(row[2] == door for row in seen)} {door}" for door in (DIRECT, PASSED_ON))
    operations = sum(map(len, document["paths"].values()))
    return f"{len(seen)} answers (method, route, door, status) of {operations} operations were observed: {by_door}"


def _rows(document: Json) -> set[Row]:
    routes = dict(_routes(document))
    return {
        (method, route, door, status)
        for method, path, door, status in _observed
        for route, pattern in routes.items()
        if method.lower() in document["paths"][route] and pattern.fullmatch(path)
    }


def _routes(document: Json) -> Iterator[tuple[str, re.Pattern[str]]]:
    for template in document["paths"]:
        yield template, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)))
