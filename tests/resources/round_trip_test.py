"""What a model writes, the API server gives back."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codecourier.resources.meta import CustomResource
from codecourier.resources.registry import KINDS
from codecourier.resources.run import Run
from tests.resources.api import Answer, Api, connect, resources_path
from tests.resources.samples import crds, manifest
from tests.resources.strategies import objects

pytestmark = pytest.mark.cluster

CRDS = crds()
EXAMPLES = 20
NUMBERS = count()


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[Api]:
    async with connect(kubeconfig) as connected:
        yield connected


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    async with api.namespace() as name:
        yield name


async def stored(api: Api, path: str, wanted: CustomResource) -> Answer:
    """Create an object, write its status, read it and delete it."""
    answer = await api.ask("POST", path, wanted.to_json())
    assert answer.code == 201, answer.body
    where = f"{path}/{wanted.name}"
    if hasattr(wanted, "status"):
        metadata = {"name": wanted.name, "resourceVersion": answer.body["metadata"]["resourceVersion"]}
        answer = await api.ask("PUT", f"{where}/status", wanted.to_json() | {"metadata": metadata})
        assert answer.code == 200, answer.body
    answer = await api.ask("GET", where)
    await api.ask("DELETE", where)
    return answer


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.info.kind)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
async def test_model_to_api_server_to_model(
    api: Api, namespace: str, kind: type[CustomResource], data: st.DataObject
) -> None:
    crd = CRDS[kind.info.kind]
    name = "default" if kind.info.kind == "Project" else f"trip-{next(NUMBERS)}"
    wanted = kind.model_validate(data.draw(objects(crd)) | {"metadata": {"name": name}})
    answer = await stored(api, resources_path(crd, namespace), wanted)
    found = kind.model_validate(answer.body)
    assert content(found) == content(wanted)


def content(resource: CustomResource) -> dict[str, Any]:
    """Return what people and the operator wrote, without what the API server adds."""
    return resource.model_dump(exclude={"metadata"})


def run_with(prompt: str) -> Run:
    """Return a Run with this prompt, which may be one that the model itself would refuse."""
    run = Run.model_validate(manifest(CRDS["Run"]))
    return run.updated(spec=run.spec.model_copy(update={"prompt": prompt}))


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("\"'`" * 21_845 + '"', id="quotes"),
        pytest.param("😀" * 16_384, id="emoji"),
        pytest.param("👩‍👩‍👧‍👦é\u0301\u202e\ufeff\u2028" * 1_680, id="joined"),
        pytest.param("\\\\ \\n \\u0000 {{ x }} ${X} $(X) %s\n\t\r" * 1_700, id="escapes"),
        pytest.param("---\n- a: &b !!int 1\n  *b: |\n# no\n" * 1_950, id="yaml"),
    ],
)
async def test_a_prompt_of_64_kib_comes_back_unchanged(api: Api, namespace: str, prompt: str) -> None:
    assert 60_000 < len(prompt.encode()) <= 65_536
    answer = await stored(api, resources_path(CRDS["Run"], namespace), run_with(prompt))
    assert answer.body["spec"]["prompt"] == prompt
    assert Run.model_validate(answer.body).spec.prompt == prompt


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        pytest.param("\x00" * 65_536, "control characters", id="NUL"),
        pytest.param("a\x1b[2J" * 13_000, "control characters", id="escape sequences"),
        pytest.param("\x08" * 65_536, "control characters", id="backspaces"),
        pytest.param("😀" * 16_385, "65536 bytes", id="bytes"),
        pytest.param('"' * 65_537, "65536", id="characters"),
    ],
)
async def test_a_prompt_that_could_be_garbled_is_refused(api: Api, namespace: str, prompt: str, says: str) -> None:
    body = run_with(prompt).to_json()
    answer = await api.ask("POST", resources_path(CRDS["Run"], namespace), body)
    assert answer.code == 422
    assert any(field == "spec.prompt" and says in message for field, message in answer.causes)


def test_what_is_created_says_only_what_is_set() -> None:
    run = Run.model_validate({"metadata": {"name": "a"}, "spec": {"workflowRef": {"name": "w"}, "prompt": "p"}})
    body = run.to_json()
    assert body["metadata"] == {"name": "a"}
    assert body["spec"] == {"workflowRef": {"name": "w"}, "prompt": "p", "attempt": 1, "cancelled": False}
