"""The mounts of a container as data."""

from pathlib import Path

import pytest

from codecourier.local.processnode.image import is_ours
from codecourier.local.processnode.launch.spec import LaunchSpec, Mount
from codecourier.local.processnode.sandbox import VolumeMount, build_mounts, kept_capabilities


def mounts(*volumes: VolumeMount, shown: tuple[str, ...] = (), hidden: tuple[Path, ...] = ()) -> dict[str, Mount]:
    found = build_mounts(volumes, map(Path, shown), hidden, [])
    assert [len(Path(item.target).parts) for item in found] == sorted(len(Path(item.target).parts) for item in found)
    by_target = {item.target: item for item in found}
    assert len(by_target) == len(found)
    return by_target


def test_a_shown_folder_lies_over_the_cover_of_its_parent() -> None:
    found = mounts(shown=("/root/env", "/home/u/src"))
    assert found["/root"].kind == "tmpfs"
    assert found["/root/env"] == Mount("bind", "/root/env", "/root/env", read_only=True)
    assert list(found).index("/home") < list(found).index("/home/u/src")


def test_a_volume_takes_the_place_of_what_would_be_there() -> None:
    found = mounts(VolumeMount("/tmp", "/state/tmp", read_only=False))
    assert found["/tmp"] == Mount("bind", "/tmp", "/state/tmp")


def test_a_hidden_folder_below_a_shown_one_stays_hidden() -> None:
    found = mounts(shown=("/work/src",), hidden=(Path("/work/src/.codecourier"),))
    assert list(found).index("/work/src") < list(found).index("/work/src/.codecourier")
    assert found["/work/src/.codecourier"].kind == "tmpfs"


def test_a_hidden_file_is_covered_by_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").touch()
    found = mounts(hidden=(tmp_path / "kubeconfig",))[str(tmp_path / "kubeconfig")]
    assert (found.kind, found.source, found.optional) == ("bind", "/dev/null", True)


@pytest.mark.parametrize(
    ("image", "ours"),
    [
        ("codecourier.dev/courier:0.1.0", True),
        ("codecourier.dev/courier", True),
        ("codecourier.dev/courier:1@sha256:ab", True),
        ("codecourier.dev/courier-else:1", False),
        ("codecourier.dev/other/courier:1", False),
        ("example.com/codecourier.dev/courier:1", False),
    ],
)
def test_our_image_is_known_by_its_name(image: str, ours: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert is_ours(image) is ours


def test_capabilities() -> None:
    assert kept_capabilities({"drop": ["ALL"]}) == []
    assert 0 in kept_capabilities({})
    assert 0 not in kept_capabilities({"drop": ["CAP_CHOWN"]})
    assert 21 not in kept_capabilities({})


def test_the_launchers_document_round_trips_and_a_cut_one_is_refused() -> None:
    spec = LaunchSpec("/d", ["a"], {"K": "ü"}, "/", "h", True, 1, 2, [3], [Mount("proc", "/proc")], True, True, [0], 10)
    assert LaunchSpec.from_json(spec.to_json()) == spec
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        LaunchSpec.from_json(spec.to_json()[:-20])
