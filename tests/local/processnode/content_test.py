"""What a container is given: environment, command and the files of volumes."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.kube.api import Json
from codecourier.local.processnode.content import (
    ContentError,
    File,
    build_command,
    build_environment,
    build_files,
    expand,
    secrets_of_container,
    secrets_of_volume,
)
from codecourier.local.processnode.limits import folder_bytes
from codecourier.local.processnode.volumes import write_files

POD: Json = {
    "metadata": {
        "name": "p",
        "namespace": "n",
        "uid": "u",
        "annotations": {"a.b/c": 'x "y"\nz'},
        "labels": {"one": "1"},
    },
    "spec": {"containers": [{"name": "main"}]},
}


def encoded(**data: bytes) -> Json:
    return {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}}


SECRETS = {"s": encoded(key=b"canary", other=b"$(A)"), "gone": None}


def environment(*env: Json) -> dict[str, str]:
    return build_environment({"name": "main", "env": list(env)}, "n", SECRETS)


def from_secret(variable: str, name: str, key: str) -> Json:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


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
    assert environment({"name": "A", "value": "1"}, from_secret("S", "s", "other")) == {"A": "1", "S": "$(A)"}


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [("gone", "key", 'secret "gone" not found'), ("s", "none", "couldn't find key none in Secret n/s")],
)
def test_what_is_missing_is_named_as_the_kubelet_does(name: str, key: str, message: str) -> None:
    with pytest.raises(ContentError) as caught:
        environment(from_secret("X", name, key))
    assert str(caught.value) == message


def test_the_command_and_its_arguments_are_expanded() -> None:
    assert build_command({"command": ["a", "$(N)"], "args": ["$(N)"]}, {"N": "1"}) == ["a", "1", "1"]


def test_the_secrets_in_use_are_those_of_the_environment_and_of_the_volume() -> None:
    assert secrets_of_container({"env": [{"name": "A", "value": "1"}, from_secret("S", "s", "key")]}) == {"s"}
    assert secrets_of_volume({"name": "v", "secret": {"secretName": "s"}}) == {"s"}
    assert secrets_of_volume({"name": "v", "emptyDir": {}}) == set()


def test_a_secret_shows_the_named_keys_only() -> None:
    volume = {"secret": {"secretName": "s", "items": [{"key": "key", "path": "token", "mode": 0o400}]}}
    assert build_files(POD, volume, SECRETS) == {"token": File(b"canary", 0o400)}
    whole = {"secret": {"secretName": "s", "defaultMode": 0o440}}
    assert build_files(POD, whole, SECRETS) == {"key": File(b"canary", 0o440), "other": File(b"$(A)", 0o440)}


def test_a_missing_key_or_secret_is_an_error() -> None:
    with pytest.raises(ContentError, match="references non-existent secret key: none in n/s"):
        build_files(POD, {"secret": {"secretName": "s", "items": [{"key": "none", "path": "x"}]}}, SECRETS)
    with pytest.raises(ContentError, match='secret "gone" not found'):
        build_files(POD, {"secret": {"secretName": "gone"}}, SECRETS)


def test_annotations_and_labels_become_files() -> None:
    paths = ("metadata.annotations['a.b/c']", "metadata.annotations['none']", "metadata.labels['one']")
    items = [{"path": str(number), "fieldRef": {"fieldPath": path}} for number, path in enumerate(paths)]
    files = build_files(POD, {"downwardAPI": {"items": items, "defaultMode": 0o444}}, {})
    assert [file.content for file in files.values()] == [b'x "y"\nz', b"", b"1"]
    assert {file.mode for file in files.values()} == {0o444}


def test_another_field_is_refused() -> None:
    items = [{"path": "x", "fieldRef": {"fieldPath": "spec.nodeName"}}]
    with pytest.raises(ContentError, match=r"not the field spec\.nodeName"):
        build_files(POD, {"downwardAPI": {"items": items}}, {})


def test_a_new_version_replaces_all_files_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    assert write_files(folder, {"a": File(b"1", 0o644), "deep/b": File(b"2", 0o644)}, None)
    first = (folder / "..data").readlink()
    assert (folder / "deep" / "b").read_bytes() == b"2"
    assert not write_files(folder, {"a": File(b"1", 0o644), "deep/b": File(b"2", 0o644)}, None)
    assert (folder / "..data").readlink() == first
    assert write_files(folder, {"a": File(b"3", 0o644)}, None)
    assert (folder / "a").read_bytes() == b"3"
    assert not (folder / first).exists()
    assert {path.name for path in folder.iterdir() if path.is_symlink()} == {"a", "..data"}


def test_a_path_cannot_leave_the_volume(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="may not leave"):
        write_files(tmp_path / "v", {"../x": File(b"", 0o644)}, None)


def test_a_folders_size_counts_a_file_with_two_names_once_and_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 1_000_000)
    (tmp_path / "again").hardlink_to(tmp_path / "big")
    (tmp_path / "out").symlink_to("/usr")
    assert 1_000_000 <= folder_bytes(tmp_path) < 1_100_000
    assert folder_bytes(tmp_path / "none") == 0
