import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codecourier.runner.pack import PackWriter
from codecourier.runner.step import StepError
from tests.support.git_https import git


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_git_reads_the_pack(tmp_path: Path, object_format: str) -> None:
    git(tmp_path, "init", "--quiet", "--bare", f"--object-format={object_format}", "r")
    blobs = [b"", b"x", b"y" * 15, b"z" * 16, bytes(range(256)) * 9000, b"line\n" * 500_000]
    with PackWriter(tmp_path / "p", len(blobs), object_format=object_format, maximum=2**30) as writer:
        oids = [writer.add(len(blob), [blob[:1000], blob[1000:]]) for blob in blobs]
    git(tmp_path / "r", "index-pack", "--strict", "--stdin", stdin=(tmp_path / "p").read_bytes())
    for oid, blob in zip(oids, blobs, strict=True):
        content = subprocess.run(
            ["git", "-C", str(tmp_path / "r"), "cat-file", "blob", oid], capture_output=True, check=True
        ).stdout
        assert content == blob


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blobs=st.lists(st.binary(max_size=5000), min_size=1, max_size=5, unique=True))
def test_git_verifies_any_pack(tmp_path: Path, blobs: list[bytes]) -> None:
    pack = tmp_path / f"{len(list(tmp_path.iterdir()))}.pack"
    with PackWriter(pack, len(blobs), object_format="sha1", maximum=2**30) as writer:
        for blob in blobs:
            writer.add(len(blob), [blob])
    git(tmp_path, "index-pack", "--strict", pack.name)


def test_a_pack_has_a_bound(tmp_path: Path) -> None:
    with (
        pytest.raises(StepError, match="larger than 50 bytes"),
        PackWriter(tmp_path / "p", 1, object_format="sha1", maximum=50) as writer,
    ):
        writer.add(1000, [bytes(range(250)) * 4])
