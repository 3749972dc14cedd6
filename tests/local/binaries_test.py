from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from codecourier.local.binaries import PROGRAMS, cache_folder, find_binaries
from codecourier.local.errors import LocalError, NoControlPlaneError, UnavailableError


def put(program: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / program).touch(mode=0o755)


def put_all(folder: Path) -> Path:
    for program in PROGRAMS:
        put(program, folder)
    return folder


class Way:
    """A way to programs that writes down what it was asked for."""

    def __init__(self, only: tuple[str, ...] = PROGRAMS) -> None:
        self.asked: list[str] = []
        self._only = only

    def __call__(
        self, program: str, folder: Path, report: Callable[[str], None], checkpoint: Callable[[], object]
    ) -> None:
        self.asked.append(program)
        if program not in self._only:
            raise UnavailableError(f"needs a miracle for {program}")
        put(program, folder)


def find(environment: dict[str, str], **ways: Way) -> Path:
    return find_binaries(lambda _: None, lambda: None, environment, ways)


@pytest.mark.parametrize("variable", ["CODECOURIER_CONTROLPLANE", "KUBEBUILDER_ASSETS"])
def test_a_named_folder_comes_first(tmp_path: Path, variable: str) -> None:
    cache = put_all(cache_folder({"XDG_CACHE_HOME": str(tmp_path / "cache")}))
    named = put_all(tmp_path / "named")
    assert find({variable: str(named), "XDG_CACHE_HOME": str(tmp_path / "cache")}) == named != cache


def test_our_own_folder_must_be_complete(tmp_path: Path) -> None:
    put("etcd", tmp_path)
    with pytest.raises(LocalError, match=r"CODECOURIER_CONTROLPLANE .* lacks kube-apiserver, kube-controller-manager"):
        find({"CODECOURIER_CONTROLPLANE": str(tmp_path)}, way=Way())


def test_a_shared_folder_that_is_not_complete_is_passed_over(tmp_path: Path) -> None:
    put("etcd", tmp_path / "assets")
    cache = put_all(cache_folder({"XDG_CACHE_HOME": str(tmp_path)}))
    assert find({"KUBEBUILDER_ASSETS": str(tmp_path / "assets"), "XDG_CACHE_HOME": str(tmp_path)}) == cache


def test_a_full_cache_asks_no_way(tmp_path: Path) -> None:
    put_all(cache_folder({"XDG_CACHE_HOME": str(tmp_path)}))
    way = Way()
    find({"XDG_CACHE_HOME": str(tmp_path)}, way=way)
    assert way.asked == []


def test_only_what_the_cache_lacks_is_fetched(tmp_path: Path) -> None:
    put("etcd", cache_folder({"XDG_CACHE_HOME": str(tmp_path)}))
    way = Way()
    find({"XDG_CACHE_HOME": str(tmp_path)}, way=way)
    assert way.asked == ["kube-apiserver", "kube-controller-manager"]


def test_the_second_way_fetches_what_the_first_could_not(tmp_path: Path) -> None:
    first, second = Way(only=("etcd",)), Way()
    cache = find({"XDG_CACHE_HOME": str(tmp_path)}, first=first, second=second)
    assert first.asked == ["etcd", "kube-apiserver"]
    assert second.asked == ["kube-apiserver", "kube-controller-manager"]
    assert sorted(path.name for path in cache.iterdir()) == sorted(PROGRAMS)


def test_when_nothing_works_the_message_names_each_way_and_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(NoControlPlaneError) as caught:
        find({"XDG_CACHE_HOME": str(tmp_path)}, release=Way(only=()), build=Way(only=("etcd",)))
    assert list(caught.value.attempts) == [
        "the folder of CODECOURIER_CONTROLPLANE",
        "the folder of KUBEBUILDER_ASSETS",
        f"the cache {cache_folder({'XDG_CACHE_HOME': str(tmp_path)})}",
        "a kind cluster",
        "release",
        "build",
    ]
    for words in (
        "is not set",
        "lacks etcd",
        "`up --kind` needs",
        "a miracle for etcd",
        "a miracle for kube-apiserver",
    ):
        assert words in str(caught.value)


def test_two_at_once_fetch_once(tmp_path: Path) -> None:
    way = Way()
    threads = [Thread(target=find, args=({"XDG_CACHE_HOME": str(tmp_path)},), kwargs={"way": way}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert way.asked == list(PROGRAMS)
