"""The cache when history goes back: etcd was restored from a backup, so versions are lower and mean other states."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.kube.api import CONFIG_MAPS, Json, Resource
from codecourier.kube.cache import Cache, ListBegin, Taken, by_label, version_of
from tests.kube.cached import SIDE, Log, obj, versions


@pytest.fixture
def cache() -> Cache:
    return Cache(CONFIG_MAPS, {SIDE: by_label(SIDE)})


def listed(cache: Cache, version: int, *items: Json) -> Taken:
    """Give the cache a list that begins and ends now."""
    return cache.replace_all(copy.deepcopy(items), str(version), cache.begin_list())


def test_a_list_that_answers_with_less_than_was_seen_is_taken_as_it_is(cache: Cache) -> None:
    listed(cache, 1000, obj("a", "u", 990, side="done"), obj("b", "v", 1000), obj("c", "w", 400))
    log = Log(cache)
    assert listed(cache, 500, obj("a", "u", 480, side="running"), obj("c", "w", 400)) is Taken.REPLACED
    assert versions(cache) == {"a": 480, "c": 400}
    assert log.told == [("1000", None), ("990", "480")]
    assert [version_of(item) for item in cache.by_index(SIDE, "running")] == [480]
    assert cache.by_index(SIDE, "done") == []
    assert cache.apply(obj("a", "u", 501))
    assert cache.apply(obj("b", "v", 502)), "what was made after the backup may be made again"


@pytest.mark.parametrize("seen", ["event", "own write", "deletion", "bookmark"])
def test_whatever_was_seen_is_proof(cache: Cache, seen: str) -> None:
    listed(cache, 10, obj("a", "u", 5))
    match seen:
        case "event":
            cache.apply(obj("b", "v", 12))
        case "own write":
            cache.note_write(obj("b", "v", 12))
        case "deletion":
            cache.remove(obj("b", "v", 12))
        case _:
            cache.reach(12)
    assert listed(cache, 11, obj("a", "u", 5)) is Taken.REPLACED


def test_what_was_deleted_after_the_backup_is_there_again(cache: Cache) -> None:
    listed(cache, 10, obj("a", "u", 5), obj("b", "v", 6))
    cache.remove(obj("a", "u", 12))
    cache.note_delete("shop", "b", "v")
    assert listed(cache, 9, obj("a", "u", 5), obj("b", "v", 6)) is Taken.REPLACED
    assert versions(cache) == {"a": 5, "b": 6}


def test_a_list_that_began_before_something_was_seen_proves_nothing(cache: Cache) -> None:
    listed(cache, 10, obj("a", "u", 5))
    begin = cache.begin_list()
    cache.apply(obj("a", "u", 12))
    cache.note_write(obj("b", "v", 13))
    assert cache.replace_all([obj("a", "u", 5)], "10", begin) is Taken.MERGED
    assert versions(cache) == {"a": 12, "b": 13}


def test_a_list_from_before_history_went_back_is_ignored(cache: Cache) -> None:
    listed(cache, 1000, obj("a", "u", 990))
    begin = cache.begin_list()
    listed(cache, 500, obj("a", "u", 480))
    assert cache.replace_all([obj("a", "u", 990), obj("b", "v", 1001)], "1002", begin) is Taken.OUTDATED
    assert versions(cache) == {"a": 480}


@pytest.mark.parametrize("version", [480, 700])
def test_a_history_that_went_on_past_what_was_seen_is_noticed_by_what_contradicts_it(
    cache: Cache, version: int
) -> None:
    listed(cache, 600, obj("a", "u", 590), obj("b", "v", 300))
    cache.reach(1000)
    assert listed(cache, 1010, obj("a", "u", version), obj("b", "v", 300)) is Taken.REPLACED
    assert versions(cache) == {"a": version, "b": 300}


@pytest.mark.parametrize("is_own", [True, False])
def test_an_object_that_was_deleted_before_a_list_began_contradicts_it(cache: Cache, *, is_own: bool) -> None:
    listed(cache, 10, obj("a", "u", 5))
    if is_own:
        cache.note_delete("shop", "a", "u")
    else:
        cache.remove(obj("a", "u", 12))
    assert listed(cache, 20, obj("a", "u", 5)) is Taken.REPLACED
    assert versions(cache) == {"a": 5}


def test_what_an_ordinary_list_has_contradicts_nothing(cache: Cache) -> None:
    listed(cache, 10, obj("a", "u", 5), obj("b", "v", 6), obj("c", "w", 7), obj("d", "x", 8))
    begin = cache.begin_list()
    cache.note_write(obj("a", "u", 13))
    cache.note_delete("shop", "b", "v")
    cache.remove(obj("c", "w", 14))
    cache.reach(14)
    found = [obj("a", "u", 5), obj("b", "v", 6), obj("c", "w", 7), obj("d", "x", 11), obj("e", "y", 12)]
    assert cache.replace_all(found, "12", begin) is Taken.MERGED
    assert versions(cache) == {"a": 13, "d": 11, "e": 12}


def test_another_content_of_the_same_version_is_taken_from_a_list(cache: Cache) -> None:
    listed(cache, 10, obj("a", "u", 5, side="left"))
    log = Log(cache)
    assert listed(cache, 11, obj("a", "u", 5, side="right")) is Taken.MERGED
    assert log.told == [("5", "5")]
    assert [version_of(item) for item in cache.by_index(SIDE, "right")] == [5]


@dataclass
class Server:
    """What an API server has, and every state that a backup may hold."""

    version: int = 1
    objects: dict[str, Json] = field(default_factory=dict)
    backups: list[tuple[int, dict[str, Json]]] = field(default_factory=list)
    uids: int = 0

    def change(self, name: str, what: str) -> tuple[Json, bool]:
        """Create, change or delete an object; return it as an event has it and whether it is gone."""
        self.version += 1
        known = self.objects.get(name)
        if known is not None and what == "delete":
            del self.objects[name]
            return obj(name, known["metadata"]["uid"], self.version), True
        self.uids += known is None
        uid = known["metadata"]["uid"] if known is not None else f"{name}-{self.uids}"
        self.objects[name] = obj(name, uid, self.version, side=f"{what} {len(self.backups)}")
        return self.objects[name], False

    def list(self) -> tuple[list[Json], str]:
        return copy.deepcopy(list(self.objects.values())), str(self.version)

    def restore(self, version: int, objects: dict[str, Json]) -> None:
        self.version, self.objects = version, dict(objects)


class Play:
    """A server, a cache that hears of it in any order, and a mirror that hears of the cache only."""

    def __init__(self, data: st.DataObject) -> None:
        self.server, self.cache = Server(), Cache(CONFIG_MAPS, {SIDE: by_label(SIDE)})
        self.mirror: dict[str, Json] = {}
        self.steps = {
            "change": self.change,
            "hear": self.hear,
            "begin": self.begin,
            "end": self.end,
            "back up": self.back_up,
            "restore": self.restore,
        }
        self._draw = data.draw
        self._answers: list[tuple[Json, bool]] = []
        self._lists: list[tuple[ListBegin, list[tuple[list[Json], str]]]] = []
        self.cache.subscribe(self._note)

    def change(self) -> None:
        """Change an object; lists that have begun may be read after it."""
        name, what = self._draw(st.sampled_from("abc")), self._draw(st.sampled_from(["left", "right", "delete"]))
        self._answers.append(self.server.change(name, what))
        self._read()

    def hear(self) -> None:
        """Deliver an event or the answer to an own write, however old it is."""
        if not self._answers:
            return
        item, is_gone = copy.deepcopy(self._draw(st.sampled_from(self._answers)))
        if is_gone and self._draw(st.booleans()):
            self.cache.note_delete("shop", item["metadata"]["name"], item["metadata"]["uid"])
        elif is_gone:
            self.cache.remove(item)
        else:
            self.cache.apply(item)

    def begin(self) -> None:
        """Begin a list."""
        self._lists.append((self.cache.begin_list(), [self.server.list()]))

    def end(self) -> None:
        """Deliver a list that was read at some moment since it began."""
        if self._lists:
            begin, reads = self._lists.pop(self._draw(st.integers(0, len(self._lists) - 1)))
            self.cache.replace_all(*copy.deepcopy(self._draw(st.sampled_from(reads))), begin)

    def back_up(self) -> None:
        """Keep the state of the server."""
        self.server.backups.append((self.server.version, dict(self.server.objects)))

    def restore(self) -> None:
        """Bring the server back to a state that was kept."""
        if self.server.backups:
            self.server.restore(*self._draw(st.sampled_from(self.server.backups)))
            self._read()

    def _read(self) -> None:
        for _, reads in self._lists:
            reads.append(self.server.list())

    def _note(self, _resource: Resource, old: Json | None, new: Json | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        assert self.mirror.get(name) == old
        if new is None:
            del self.mirror[name]
        else:
            self.mirror[name] = copy.deepcopy(new)


@given(st.data())
def test_whatever_comes_in_whatever_order_a_last_list_makes_it_equal_to_the_server(data: st.DataObject) -> None:
    play = Play(data)
    for _ in range(data.draw(st.integers(1, 30))):
        play.steps[data.draw(st.sampled_from([*play.steps, "change", "end"]))]()
    play.cache.replace_all(*play.server.list(), play.cache.begin_list())
    assert {item["metadata"]["name"]: item for item in play.cache} == play.server.objects == play.mirror
