"""Each bound, enum, pattern, required field and CEL rule of the CRDs on a real API server, both ways."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.resources.api import Answer, Api, connect, resources_path
from tests.resources.cases import Case, bound_cases, count_bounds
from tests.resources.cel_cases import cel_cases, uses_tables
from tests.resources.cel_table import OBJECTS, VALUES
from tests.resources.samples import PATTERNS, Json, crds, manifest, schema_of, walk

CRDS = crds()


@pytest.mark.parametrize("kind", CRDS)
def test_every_bound_and_rule_has_an_accepted_and_a_refused_manifest(kind: str) -> None:
    found = count_bounds(schema_of(CRDS[kind]))
    rules = found.pop("x-kubernetes-validations")
    covered: Counter[str] = Counter()
    for verdict in (True, False):
        places = {(c.path, c.keyword) for c in bound_cases(CRDS[kind]) if (c.refusal is None) is verdict}
        covered = Counter(keyword for _, keyword in places)
        assert covered == found
        messages = [(c.path, c.keyword, c.refusal) for c in cel_cases(CRDS[kind]) if (c.refusal is None) is verdict]
        assert len({(path, message) for path, message, _ in messages}) == rules


def test_the_tables_are_complete_and_have_no_leftovers() -> None:
    values, objects = uses_tables(list(CRDS.values()))
    assert values == set(VALUES)
    assert objects == set(OBJECTS)
    patterns = {schema["pattern"] for crd in CRDS.values() for _, schema in walk(schema_of(crd)) if "pattern" in schema}
    assert patterns == set(PATTERNS)


@pytest.mark.cluster
@pytest.mark.parametrize("kind", CRDS)
async def test_the_api_server_accepts_and_refuses_as_the_models_say(kind: str, kubeconfig: Path) -> None:
    crd = CRDS[kind]
    cases = [*bound_cases(crd), *cel_cases(crd)]
    async with connect(kubeconfig) as api, api.namespace() as namespace, api.namespace() as for_olds:
        olds = await create_olds(api, resources_path(crd, for_olds), crd, cases)
        answers = await asyncio.gather(*(ask(api, resources_path(crd, namespace), case, olds) for case in cases))
    problems = [
        f"{case}: {problem}" for case, answer in zip(cases, answers, strict=True) if (problem := judge(case, answer))
    ]
    assert not problems, "\n".join([f"{len(problems)} of {len(cases)} cases:", *problems])


@dataclass(frozen=True)
class Old:
    """An object that is there before an update."""

    wanted: Json
    path: str
    """Where it is."""
    resource_version: str


async def create_olds(api: Api, path: str, crd: Json, cases: Sequence[Case]) -> list[Old]:
    """Create what the updates start from, each distinct object once; the first one is for writes of a status."""
    wanted: list[Json] = [manifest(crd)]
    for case in cases:
        if case.old is not None and case.old not in wanted:
            wanted.append(case.old)
    return list(await asyncio.gather(*(create_old(api, path, number, body) for number, body in enumerate(wanted))))


async def create_old(api: Api, path: str, number: int, wanted: Json) -> Old:
    """Create one of them; a Project can have one name only."""
    name = "default" if wanted["kind"] == "Project" else f"old-{number}"
    answer = await api.ask("POST", path, wanted | {"metadata": wanted["metadata"] | {"name": name}})
    assert answer.code == 201, answer.body
    return Old(wanted, f"{path}/{name}", answer.body["metadata"]["resourceVersion"])


async def ask(api: Api, path: str, case: Case, olds: Sequence[Old]) -> Answer:
    """Create the object, or update the spec or the status of one that is there; nothing of it is kept."""
    if case.old is None and not case.is_status:
        return await api.ask("POST", path, case.new, dryRun="All")
    old = next(old for old in olds if old.wanted == (case.old or old.wanted))
    metadata = {"name": old.path.rpartition("/")[2], "resourceVersion": old.resource_version}
    where = f"{old.path}/status" if case.is_status else old.path
    return await api.ask("PUT", where, case.new | {"metadata": case.new["metadata"] | metadata}, dryRun="All")


def judge(case: Case, answer: Answer) -> str | None:
    """Return what is wrong with an answer; None when nothing is."""
    if case.refusal is None:
        return None if answer.code in {200, 201} else f"{answer.code} {answer.body.get('message')}"[:600]
    field_path, says = case.refusal
    if answer.code != 422:
        return f"{answer.code} instead of 422"
    if not any(field == field_path and re.search(says, message) for field, message in answer.causes):
        return f"no cause says {says!r} of {field_path!r}: {answer.causes}"[:600]
    return None
