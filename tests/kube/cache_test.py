"""The cache: whatever order lists, events and answers to own writes come in, the newest version wins."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.kube.api import CONFIG_MAPS, NAMESPACES, Json, Resource
from codecourier.kube.cache import Cache, by_label, key_of, version_of
from tests.kube.cached import SIDE, Log, obj, versions


def colors(item: Json) -> list[str]:
    return str((item.get("data") or {}).get("colors", "")).split()


@pytest.fixture(params=[False, True], ids=["whole", "packed"])
def cache(request: pytest.FixtureRequest) -> Cache:
    return Cache(CONFIG_MAPS, {SIDE: by_label(SIDE), "colors": colors}, packs=lambda _obj: request.param)


def test_it_has_what_it_took(cache: Cache) -> None:
    assert cache.apply(obj("a", "u", 1))
    assert cache.apply(obj("b", "v", 2, namespace="other"))
    assert cache.get("shop", "a") == obj("a", "u", 1)
    assert cache.get("shop", "b") is None
    assert [key_of(item) for item in cache.list("shop")] == [("shop", "a")]
    assert len(cache) == len(cache.list()) == 2


def test_kinds_outside_of_namespaces_have_none() -> None:
    cache = Cache(NAMESPACES)
    shop = {"metadata": {"name": "shop", "uid": "u", "resourceVersion": "1"}}
    cache.apply(shop)
    assert cache.get(None, "shop") is shop
    assert key_of(shop) == ("", "shop")
    cache.note_delete(None, "shop", "u")
    assert len(cache) == 0


def test_what_others_manage_is_not_kept(cache: Cache) -> None:
    cache.apply({"metadata": obj("a", "u", 1)["metadata"] | {"managedFields": [{"manager": "me"}]}})
    assert cache.get("shop", "a") == obj("a", "u", 1)


def test_an_older_version_changes_nothing(cache: Cache) -> None:
    log = Log(cache)
    assert cache.apply(obj("a", "u", 10))
    assert not cache.apply(obj("a", "u", 9))
    assert not cache.note_write(obj("a", "u", 10))
    assert log.told == [(None, "10")]


def test_versions_are_numbers(cache: Cache) -> None:
    cache.apply(obj("a", "u", 9))
    assert cache.apply(obj("a", "u", 10))
    assert versions(cache) == {"a": 10}


def test_the_deleted_does_not_come_back(cache: Cache) -> None:
    log = Log(cache)
    cache.apply(obj("a", "u", 5))
    assert cache.remove(obj("a", "u", 7))
    assert not cache.apply(obj("a", "u", 6))
    assert not cache.note_write(obj("a", "u", 7))
    assert len(cache) == 0
    assert log.told == [(None, "5"), ("5", None)]


def test_what_an_own_deletion_removed_does_not_come_back(cache: Cache) -> None:
    cache.apply(obj("a", "u", 5))
    assert cache.note_delete("shop", "a", "u")
    assert not cache.apply(obj("a", "u", 9))
    assert not cache.note_delete("shop", "a", "u")
    assert cache.apply(obj("a", "v", 10))


def test_a_deletion_may_be_told_before_the_object(cache: Cache) -> None:
    assert not cache.remove(obj("a", "u", 7))
    assert not cache.apply(obj("a", "u", 6))
    assert cache.apply(obj("a", "v", 8))


def test_what_left_a_selector_comes_back_when_it_enters_again(cache: Cache) -> None:
    cache.apply(obj("a", "u", 5))
    cache.remove(obj("a", "u", 7))
    assert cache.apply(obj("a", "u", 9))
    assert versions(cache) == {"a": 9}


def test_the_deletion_of_an_object_that_was_made_again_is_of_the_old_one(cache: Cache) -> None:
    log = Log(cache)
    cache.apply(obj("a", "u", 5))
    cache.apply(obj("a", "v", 8))
    assert not cache.remove(obj("a", "u", 7))
    assert not cache.apply(obj("a", "u", 6))
    assert versions(cache) == {"a": 8}
    assert log.told == [(None, "5"), ("5", "8")]


def test_a_deletion_from_before_a_newer_version_is_no_deletion(cache: Cache) -> None:
    cache.apply(obj("a", "u", 9))
    assert not cache.remove(obj("a", "u", 7))
    assert versions(cache) == {"a": 9}


def test_a_list_removes_what_is_not_in_it(cache: Cache) -> None:
    log = Log(cache)
    cache.apply(obj("a", "u", 5))
    cache.apply(obj("b", "v", 6))
    cache.replace_all([obj("b", "v", 6), obj("c", "w", 8)], "9")
    assert versions(cache) == {"b": 6, "c": 8}
    assert log.told == [(None, "5"), (None, "6"), (None, "8"), ("5", None)]
    assert not cache.apply(obj("a", "u", 7)), "it was gone at 9"


def test_a_list_leaves_what_is_newer_than_it(cache: Cache) -> None:
    cache.apply(obj("a", "u", 12))
    cache.apply(obj("b", "v", 11))
    cache.replace_all([obj("b", "v", 3)], "10")
    assert versions(cache) == {"a": 12, "b": 11}


def test_a_list_from_before_a_deletion_brings_nothing_back(cache: Cache) -> None:
    cache.apply(obj("a", "u", 5))
    cache.remove(obj("a", "u", 12))
    cache.replace_all([obj("a", "u", 5)], "10")
    assert len(cache) == 0


def test_an_answer_that_is_older_than_a_list_brings_nothing_back(cache: Cache) -> None:
    cache.replace_all([obj("b", "v", 3)], "10")
    assert not cache.note_write(obj("a", "u", 7)), "no event will tell that it is gone"
    assert cache.note_write(obj("a", "w", 11))
    assert versions(cache) == {"a": 11, "b": 3}


def test_a_later_list_may_have_what_an_earlier_one_had_not(cache: Cache) -> None:
    cache.replace_all([], "10")
    cache.replace_all([obj("a", "u", 7)], "12")
    assert versions(cache) == {"a": 7}


def test_a_name_taken_by_another_is_found_by_a_list(cache: Cache) -> None:
    cache.apply(obj("a", "u", 5))
    cache.replace_all([obj("a", "v", 7)], "9")
    item = cache.get("shop", "a")
    assert item is not None
    assert item["metadata"]["uid"] == "v"


def test_indexes_follow_the_objects(cache: Cache) -> None:
    cache.apply(obj("a", "u", 1, side="left"))
    cache.apply(obj("b", "v", 2, side="left"))
    assert [item["metadata"]["name"] for item in cache.by_index(SIDE, "left")] == ["a", "b"]
    cache.apply(obj("a", "u", 3, side="right"))
    assert [version_of(item) for item in cache.by_index(SIDE, "right")] == [3]
    assert [item["metadata"]["name"] for item in cache.by_index(SIDE, "left")] == ["b"]
    cache.apply(obj("b", "v", 4, side="left"))
    assert [version_of(item) for item in cache.by_index(SIDE, "left")] == [4]
    cache.remove(obj("b", "v", 5))
    assert cache.by_index(SIDE, "left") == []
    assert cache.by_index(SIDE, "nowhere") == []
    cache.apply(obj("a", "u", 6))
    assert cache._indexes == {SIDE: {}, "colors": {}}, "empty entries are not kept"


def test_an_object_may_be_under_several_keys_of_an_index(cache: Cache) -> None:
    child = obj("a", "u", 1)
    child["data"] = {"colors": "x y"}
    cache.apply(child)
    assert cache.by_index("colors", "x") == cache.by_index("colors", "y") == [child]


def test_the_tombstones_are_bounded(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codecourier.kube.cache._TOMBSTONES", 3)
    for number in range(10):
        cache.note_delete("shop", f"n{number}", f"u{number}")
    assert len(cache._tombstones) == 3
    assert not cache.apply(obj("n9", "u9", 1))


def test_a_cache_may_be_changed_while_it_is_read(cache: Cache) -> None:
    for number in range(5):
        cache.apply(obj(f"n{number}", f"u{number}", number + 1))
    for item in cache:
        cache.remove(item)
    assert len(cache) == 0


@dataclass(frozen=True)
class Step:
    """One step of the world: an object's version, None where the step removed it."""

    version: int
    name: str
    uid: str
    obj: Json | None


def history(choices: Sequence[tuple[str, str]]) -> list[Step]:
    """Return what happened to a few names; resourceVersions count through."""
    steps: list[Step] = []
    living: dict[str, str] = {}
    for version, (name, what) in enumerate(choices, start=1):
        if name not in living:
            living[name] = f"{name}-{version}"
        elif what == "delete":
            steps.append(Step(version, name, living.pop(name), None))
            continue
        uid = living[name]
        steps.append(Step(version, name, uid, obj(name, uid, version, side=what)))
    return steps


def state(steps: Sequence[Step], moment: int) -> dict[str, Json]:
    """Return the objects at a moment, by name."""
    found: dict[str, Json] = {}
    for step in steps[:moment]:
        if step.obj is None:
            del found[step.name]
        else:
            found[step.name] = step.obj
    return found


CHOICES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["left", "right", "delete"])), min_size=1, max_size=24
)


def tell_event(cache: Cache, steps: Sequence[Step], position: int) -> None:
    step = steps[position]
    if step.obj is not None:
        cache.apply(copy.deepcopy(step.obj))
    else:
        cache.remove(obj(step.name, step.uid, step.version))


def tell_own_write(cache: Cache, step: Step) -> None:
    if step.obj is not None:
        cache.note_write(copy.deepcopy(step.obj))
    else:
        cache.note_delete("shop", step.name, step.uid)


@given(CHOICES, st.data())
def test_any_interleaving_ends_with_the_newest_and_resurrects_nothing(
    choices: list[tuple[str, str]], data: st.DataObject
) -> None:
    steps = history(choices)
    cache = Cache(
        CONFIG_MAPS, {SIDE: by_label(SIDE)}, packs=lambda obj: int(obj["metadata"]["resourceVersion"]) % 2 == 0
    )
    gone: set[str] = set()
    seen: dict[str, int] = {}

    def note(resource: Resource, old: Json | None, new: Json | None) -> None:
        if old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
            gone.add(old["metadata"]["uid"])
        if new is not None:
            assert new["metadata"]["uid"] not in gone, "a deleted object came back"
            assert version_of(new) > seen.get(new["metadata"]["name"], 0), "an older version won"
            seen[new["metadata"]["name"]] = version_of(new)

    cache.subscribe(note)
    watched = 0
    while watched < len(steps):
        what = data.draw(st.sampled_from(["event", "event", "list", "write"]))
        if what == "event":
            tell_event(cache, steps, watched)
            watched += 1
        elif what == "list":
            # The list comes instead of the events up to its moment, which is never before what the watch told.
            watched = data.draw(st.integers(watched, len(steps)))
            cache.replace_all(copy.deepcopy(list(state(steps, watched).values())), str(watched))
        else:
            # The answer to an own write comes at any time: long after its event, or before it.
            tell_own_write(cache, data.draw(st.sampled_from(steps)))
    assert {item["metadata"]["name"]: item for item in cache} == state(steps, len(steps))
    for side in ("left", "right"):
        wanted = {item["metadata"]["name"] for item in cache if item["metadata"]["labels"].get(SIDE) == side}
        assert {item["metadata"]["name"] for item in cache.by_index(SIDE, side)} == wanted
