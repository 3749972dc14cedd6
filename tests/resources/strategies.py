"""Objects for hypothesis, valid by construction from the schemas of the CRDs."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.resources.cel_table import VALUES
from tests.resources.samples import PATTERNS, Json, schema_of, text

_MAX_ITEMS = 3
_MAX_CHARACTERS = 60
_WRITTEN = st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\t\n\r\x85")
_SHOWN = st.characters(
    codec="utf-8", exclude_categories=["Cc", "Cf", "Cn", "Zl", "Zp"], include_characters="\t\n\r", max_codepoint=0xDFFFF
)
_FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_INSTANT = (datetime(9999, 12, 31, tzinfo=UTC) - _FIRST_INSTANT) // timedelta(microseconds=1)
_ANY = st.characters(codec="utf-8")


def objects(crd: Json) -> st.SearchStrategy[Json]:
    """Make spec and status of a kind."""
    kind = crd["spec"]["names"]["kind"]
    properties = schema_of(crd)["properties"]
    parts = {name: values(properties[name]) for name in ("spec", "status") if name in properties}
    return st.fixed_dictionaries(parts).map(_BINDINGS.get(kind, lambda found: found))


def values(schema: Json) -> st.SearchStrategy[Any]:
    """Make values of a schema."""
    return _STRATEGIES[schema["type"]](schema)


def _objects(schema: Json) -> st.SearchStrategy[Json]:
    required = set(schema.get("required", ()))
    parts = {name: values(part) for name, part in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


def _arrays(schema: Json) -> st.SearchStrategy[list[Any]]:
    unique_by: Callable[[Any], Any] | None = None
    if keys := schema.get("x-kubernetes-list-map-keys"):
        unique_by = lambda item: tuple(item.get(key, False) for key in keys)  # noqa: E731  one of two ways to tell items apart
    elif schema["x-kubernetes-list-type"] == "set":
        unique_by = lambda item: item  # noqa: E731
    least = schema.get("minItems", 0)
    return st.lists(
        values(schema["items"]),
        min_size=least,
        max_size=min(schema["maxItems"], least + _MAX_ITEMS),
        unique_by=unique_by,
    )


def _texts(schema: Json) -> st.SearchStrategy[str]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "format" in schema:
        return _FORMATS[schema["format"]]
    least, most = schema.get("minLength", 0), schema["maxLength"]
    rules = {rule["message"] for rule in schema.get("x-kubernetes-validations", ())} & set(VALUES)
    if _ZONE_RULE in rules:
        return st.sampled_from(VALUES[_ZONE_RULE].accepted)
    if "pattern" not in schema:
        letters = _SHOWN if _SHOWN_RULE in rules else _WRITTEN if rules else _ANY
        return st.text(letters, min_size=least, max_size=min(most, _MAX_CHARACTERS))
    made = st.builds(lambda number: text(schema, number), st.integers(0, 10_000))
    if rules or PATTERNS[schema["pattern"]].head:
        return made
    pattern = re.compile(schema["pattern"].removesuffix("$") + r"\Z")
    return made | st.from_regex(pattern, alphabet=_ANY).filter(lambda found: least <= len(found) <= most)


_FORMATS: Mapping[str, st.SearchStrategy[str]] = {
    "date-time": st.integers(0, _LAST_INSTANT).map(
        lambda found: (_FIRST_INSTANT + timedelta(microseconds=found)).isoformat()
    ),
    "date": st.dates(date(2000, 1, 1), date(2999, 12, 31)).map(lambda found: found.isoformat()),
}

_ZONE_RULE = "must be the name of an IANA time zone, such as Europe/Berlin or UTC"
"""The one rule whose values cannot be made, only chosen."""


_SHOWN_RULE = "must not contain characters that are not shown, other than tab, newline and carriage return"
"""The one rule that refuses more characters than controls."""


def _bind_project(found: Json) -> Json:
    for number, repository in enumerate(found["spec"]["repositories"]):
        unwanted = "app" if "credentialRef" in repository else "credentialRef"
        repository.pop(unwanted, None)
        repository.setdefault("credentialRef" if unwanted == "app" else "app", {"installationId": 1, "name": "token"})
        repository["isDefault"] = number == 0
    return found


def _bind_run(found: Json) -> Json:
    if "origin" not in found["spec"]:
        for name in ("merge", "followUp"):
            found["spec"].pop(name, None)
    return found


def _bind_merge_job(found: Json) -> Json:
    spec = found["spec"]
    repository = spec["pullRequests"][0].rpartition("/pull/")[0]
    of_one = [url for url in spec["pullRequests"] if url.rpartition("/pull/")[0] == repository]
    is_single = spec["mode"] == "Single"
    spec["pullRequests"] = of_one[:1] if is_single else of_one
    of_combine = ("branchName", "title", "prompt", "maxAttempts", "closeSources")
    for name in of_combine if is_single else ("mergeStrategy", "skipCiCheck"):
        spec.pop(name, None)
    return found


def _bind_chain(found: Json) -> Json:
    spec = found["spec"]
    first, last = sorted(spec["sprintRange"].values())
    spec["sprintRange"] = {"first": first, "last": min(last, first + 99)}
    if spec.get("resumeFromSprint", 0) > spec["sprintRange"]["last"] - first:
        del spec["resumeFromSprint"]
    return found


def _bind_task(found: Json) -> Json:
    spec = found["spec"]
    if spec["frequency"] not in {"Weekly", "Biweekly"}:
        spec.pop("dayOfWeek", None)
    if spec["frequency"] != "Monthly":
        spec.pop("dayOfMonth", None)
    return found


def _bind_learning(found: Json) -> Json:
    if not {"repositoryUrl", "workflowRef"} & set(found["spec"]):
        found["spec"]["workflowRef"] = {"name": "fix"}
    return found


_STRATEGIES: Mapping[str, Callable[[Json], st.SearchStrategy[Any]]] = {
    "object": _objects,
    "array": _arrays,
    "string": _texts,
    "integer": lambda schema: st.integers(schema["minimum"], schema["maximum"]),
    "boolean": lambda _: st.booleans(),
}

_BINDINGS: Mapping[str, Callable[[Json], Json]] = {
    "Project": _bind_project,
    "Run": _bind_run,
    "MergeJob": _bind_merge_job,
    "SprintChain": _bind_chain,
    "RecurringTask": _bind_task,
    "Learning": _bind_learning,
}
"""What CEL rules on several fields ask of the objects of a kind."""
