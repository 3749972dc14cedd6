"""The files of projecting volumes."""

import base64
from pathlib import Path

import pytest

from codecourier.local.processnode.atomic import write_files
from codecourier.local.processnode.environment import References
from codecourier.local.processnode.errors import VolumeError
from codecourier.local.processnode.limits import folder_bytes
from codecourier.local.processnode.objects import Json
from codecourier.local.processnode.payload import File, build_payload, volume_references

POD: Json = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"containers": [{"name": "main"}]}}
SECRET: Json = {"data": {name: base64.b64encode(name.encode()).decode() for name in ("read", "write")}}


def payload(volume: Json, **objects: Json | None) -> dict[str, File]:
    known = References({("secrets", name): item for name, item in objects.items()})
    return build_payload(POD, {"name": "v", **volume}, known, {}, {})


def test_a_secret_shows_the_named_keys_only() -> None:
    volume = {"secret": {"secretName": "s", "items": [{"key": "read", "path": "token", "mode": 0o400}]}}
    assert payload(volume, s=SECRET) == {"token": File(b"read", 0o400)}
    assert volume_references({"name": "v", **volume}) == {("secrets", "s")}


def test_a_missing_key_or_object_is_an_error_unless_it_is_optional() -> None:
    volume: Json = {"secret": {"secretName": "s", "items": [{"key": "none", "path": "x"}]}}
    with pytest.raises(VolumeError, match="references non-existent secret key: none in n/s"):
        payload(volume, s=SECRET)
    with pytest.raises(VolumeError, match='secret "s" not found'):
        payload(volume, s=None)
    volume["secret"]["optional"] = True
    assert payload(volume, s=None) == {}


def test_a_projected_volume_joins_its_sources() -> None:
    fields = {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}
    volume = {"projected": {"defaultMode": 0o600, "sources": [{"secret": {"name": "s"}}, fields]}}
    files = payload(volume, s=SECRET)
    assert {path: file.content for path, file in files.items()} == {"read": b"read", "write": b"write", "name": b"p"}
    assert {file.mode for file in files.values()} == {0o600}


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
