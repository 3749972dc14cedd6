"""Environment, command and downward API."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.local.processnode.environment import References, build_command, build_environment, expand
from codecourier.local.processnode.errors import ConfigurationError
from codecourier.local.processnode.fields import resolve_field, resolve_resource
from codecourier.local.processnode.objects import Json, parse_quantity

POD: Json = {
    "metadata": {
        "name": "p",
        "namespace": "n",
        "uid": "u",
        "annotations": {"a.b/c": 'x "y"\nz'},
        "labels": {"two": "2", "one": "1"},
    },
    "spec": {"containers": [{"name": "main"}], "nodeName": "here"},
}
ALLOCATABLE = {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "10Gi", "pods": "10"}
SECRET: Json = {"data": {"key": base64.b64encode(b"canary").decode(), "no name": ""}}
KNOWN = References({("secrets", "s"): SECRET, ("secrets", "gone"): None, ("configmaps", "c"): {"data": {"K": "v"}}})


def environment(*env: Json, **fields: object) -> dict[str, str]:
    return build_environment(POD, {"name": "main", "env": list(env), **fields}, KNOWN, ALLOCATABLE)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A $ $(", "$A $ $("),
        ("$(A)$(A)", "11"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, result: str) -> None:
    assert expand(text, {"A": "1"}) == result


@given(st.text().filter(lambda text: "$" not in text))
def test_a_text_without_references_stays(text: str) -> None:
    assert expand(text, {"A": "1"}) == text


def test_a_variable_sees_those_before_it_only() -> None:
    assert environment({"name": "A", "value": "$(B)"}, {"name": "B", "value": "$(A)"}) == {"A": "$(B)", "B": "$(B)"}


def test_a_secrets_value_is_never_expanded() -> None:
    known = References({("secrets", "s"): {"data": {"key": base64.b64encode(b"$(A)").decode()}}})
    item = {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}}
    found = build_environment(POD, {"env": [{"name": "A", "value": "1"}, item]}, known, ALLOCATABLE)
    assert found["S"] == "$(A)"


def test_whole_objects_come_first_with_their_prefix_and_without_what_is_no_name() -> None:
    sources = [{"secretRef": {"name": "s"}, "prefix": "S_"}, {"configMapRef": {"name": "c"}}]
    assert environment({"name": "K", "value": "own"}, envFrom=sources) == {"K": "own", "S_key": "canary"}


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"secretKeyRef": {"name": "gone", "key": "k"}}, 'secret "gone" not found'),
        ({"secretKeyRef": {"name": "s", "key": "k"}}, "couldn't find key k in Secret n/s"),
        ({"configMapKeyRef": {"name": "c", "key": "k"}}, "couldn't find key k in ConfigMap n/c"),
        ({"fieldRef": {"fieldPath": "spec.nothing"}}, "unsupported fieldPath: spec.nothing"),
    ],
)
def test_what_is_missing_is_named_as_the_kubelet_does(reference: Json, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        environment({"name": "X", "valueFrom": reference})
    assert str(caught.value) == message


def test_an_image_brings_no_command() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_command({"args": ["x"]}, {})
    assert caught.value.reason == "CreateContainerError"
    assert build_command({"command": ["a", "$(N)"], "args": ["$(N)"]}, {"N": "1"}) == ["a", "1", "1"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.annotations['a.b/c']", 'x "y"\nz'),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'one="1"\ntwo="2"'),
        ("metadata.annotations", 'a.b/c="x \\"y\\"\\nz"'),
        ("spec.nodeName", "here"),
        ("status.podIP", "127.0.0.1"),
    ],
)
def test_fields_of_the_downward_api(path: str, value: str) -> None:
    assert resolve_field(POD, path) == value


def test_resources_of_the_downward_api() -> None:
    container = {"resources": {"limits": {"memory": "64Mi", "cpu": "250m"}}}
    assert resolve_resource(POD, container, {"resource": "limits.memory", "divisor": "1Mi"}, ALLOCATABLE) == "64"
    assert resolve_resource(POD, container, {"resource": "limits.cpu"}, ALLOCATABLE) == "1"
    assert resolve_resource(POD, {}, {"resource": "limits.cpu", "divisor": "0"}, ALLOCATABLE) == "2"


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("500m", 0.5), ("64Mi", 64 << 20), ("1e3", 1000), ("2k", 2000)])
def test_quantities(text: str, number: float) -> None:
    assert float(parse_quantity(text)) == number


@pytest.mark.parametrize("text", ["", "x", "1Xi", "1..2"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no resource quantity"):
        parse_quantity(text)
