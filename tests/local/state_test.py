import multiprocessing
from pathlib import Path

import pytest

from codecourier.local.errors import LocalError
from codecourier.local.layout import ClusterLayout
from codecourier.local.processes import ProcessRecord
from codecourier.local.state import ClusterState, StateStore, file_lock


@pytest.fixture
def layout(tmp_path: Path) -> ClusterLayout:
    return ClusterLayout(tmp_path)


def test_what_was_written_is_read(layout: ClusterLayout) -> None:
    store = StateStore(layout)
    state = ClusterState(session="one", ports={"a": 1}, processes={"a": ProcessRecord(pid=7, birth="boot/1")})
    with store.locked():
        store.write(state)
    assert store.read() == state


def test_no_file_means_no_cluster(layout: ClusterLayout) -> None:
    assert StateStore(layout).read() is None


@pytest.mark.parametrize("content", ["", "{", '{"session": 5}', '{"session": "x", "ports": {}, "unknown": 1}'])
def test_a_damaged_file_is_reported_with_the_next_step(layout: ClusterLayout, content: str) -> None:
    layout.state_file.write_text(content, encoding="utf-8")
    with pytest.raises(LocalError, match=r"remove .* and run `codecourier local up`"):
        StateStore(layout).read()


def _is_free(path: Path) -> bool:
    with file_lock(path, timeout_seconds=0) as is_held:
        return is_held


def test_a_lock_keeps_other_processes_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        with file_lock(path, timeout_seconds=0) as is_held:
            assert is_held
            assert not pool.apply(_is_free, (path,))
        assert pool.apply(_is_free, (path,))


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_on_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with file_lock(path, timeout_seconds=0):
        path.unlink()
        path.parent.rmdir()
        with file_lock(path, timeout_seconds=0) as is_held:
            assert is_held
            assert path.exists()


def test_waiting_for_a_lock_ends_when_the_checkpoint_says_so(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    path = tmp_path / "lock"
    with (
        file_lock(path, timeout_seconds=0),
        pytest.raises(StopError),
        file_lock(path, timeout_seconds=60, checkpoint=stop),
    ):
        pass
