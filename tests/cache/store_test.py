"""Objects as models: parsed once for each version, and left out of what others read where they cannot be read."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from codecourier.cache import store as store_module
from codecourier.cache.source import CachedKind, Source, raw
from codecourier.cache.store import Store, UnreadableError
from codecourier.kube.api import CONFIG_MAPS, Json, Resource

BOXES = Resource("test.dev", "v1", "boxes", "Box")
CANARY = "canary-9f2c71"
"""A value of an object, which no error may show."""

HUGE, FORBIDDEN, SETTLED = "huge", "forbidden", "large"
SHOP = "shop"


class Box(BaseModel):
    """An object of the fixture kind."""

    metadata: dict[str, Any]
    size: Literal["small", "large", "forbidden"]
    count: Annotated[int, Field(le=9)] = 0


class Boxes:
    """A store of Boxes and ConfigMaps, which counts how often it parses each version of each Box."""

    def __init__(self) -> None:
        self.parsed: Counter[tuple[str, str]] = Counter()
        self.source = Source(BOXES, self._parse)
        self.store = Store(
            [
                CachedKind(
                    self.source,
                    {"size": lambda obj: [obj["size"]], "all": lambda _obj: [""]},
                    self._refuse,
                    lambda obj: obj["size"] == SETTLED,
                ),
                CachedKind(raw(CONFIG_MAPS), {}),
            ]
        )
        self.version = 0

    def _parse(self, obj: Json) -> Box:
        self.parsed[obj["metadata"]["name"], obj["metadata"]["resourceVersion"]] += 1
        return Box.model_validate(obj)

    @staticmethod
    def _refuse(box: Box) -> str:
        return "size: this kind refuses it" if box.size == FORBIDDEN else ""

    def put(self, name: str, size: Any = "small", *, uid: str = "", **fields: Any) -> Json:
        """Let the cache see a new version of a Box."""
        self.version += 1
        metadata = {"name": name, "namespace": SHOP, "uid": uid or f"uid-{name}", "resourceVersion": str(self.version)}
        obj = {"metadata": metadata, "size": size, **fields}
        assert self.store.cache(BOXES).apply(obj)
        return obj

    def remove(self, obj: Json) -> None:
        """Let the cache see that a Box was deleted."""
        self.version += 1
        metadata = obj["metadata"] | {"resourceVersion": str(self.version)}
        assert self.store.cache(BOXES).remove(obj | {"metadata": metadata})

    def get(self, name: str) -> Box | None:
        """Read one Box by its name."""
        return self.store.get(self.source, SHOP, name)

    def names(self) -> list[str]:
        """Read all Boxes that can be read."""
        return [box.metadata["name"] for box in self.store.by_index(self.source, "all", "")]


@pytest.fixture
def boxes() -> Boxes:
    return Boxes()


def test_each_version_is_parsed_once_however_it_is_read(boxes: Boxes) -> None:
    first = boxes.put("a")
    for _ in range(2):
        box = boxes.get("a")
        assert boxes.store.by_index(boxes.source, "size", "small") == (box,)
        assert boxes.store.read(boxes.source, first) is box
        assert len(boxes.store.readable(boxes.source, [first])) == 1
    assert boxes.parsed == {("a", "1"): 1}
    boxes.put("a", "large")
    assert [box.size for box in (boxes.get("a"), boxes.get("a")) if box] == ["large", "large"]
    assert boxes.parsed == {("a", "1"): 1, ("a", "2"): 1}


def test_an_unreadable_version_is_parsed_once_too(boxes: Boxes) -> None:
    boxes.put("a", HUGE)
    for _ in range(2):
        assert boxes.names() == []
    assert boxes.parsed == {("a", "1"): 1}


def test_an_object_made_again_is_parsed_again(boxes: Boxes) -> None:
    for uid in ("first", "second"):
        boxes.put("a", uid=uid)
        box = boxes.get("a")
        assert box is not None
        assert box.metadata["uid"] == uid


def test_of_settled_objects_only_the_models_read_last_are_kept(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_SETTLED", 2)
    for name in ("a", "b", "c"):
        boxes.put(name, SETTLED)
    for name in ("a", "b", "a", "c", "a", "b"):  # c takes the place of b, which was read before a
        boxes.get(name)
    assert boxes.parsed == {("a", "1"): 1, ("b", "2"): 2, ("c", "3"): 1}


def test_the_model_of_an_object_goes_when_it_is_settled_or_gone(boxes: Boxes) -> None:
    for number in range(1000):
        boxes.put(f"box-{number}")
        boxes.get(f"box-{number}")
    assert len(boxes.store._parsed) == 1000, "none is parsed twice, however many there are"
    for number in range(1000):
        settled = boxes.put(f"box-{number}", SETTLED)
        if number % 2:
            boxes.remove(settled)
    assert len(boxes.store._parsed) + len(boxes.store._settled) == 0


def test_what_is_absent_is_none_and_no_error(boxes: Boxes) -> None:
    assert boxes.get("a") is None
    assert boxes.store.by_index(boxes.source, "size", "small") == ()
    assert boxes.store.unreadable == {}


@pytest.mark.parametrize(
    ("size", "fields", "detail"),
    [
        (HUGE, {}, "size: "),
        (CANARY, {}, "size: "),
        ([CANARY], {}, "size: "),
        ("small", {"count": CANARY}, "count: "),
        ("small", {"count": 4711}, "count: "),
        (FORBIDDEN, {}, "size: this kind refuses it"),
    ],
    ids=["newer value", "text", "list", "another type", "out of bounds", "refused by the kind"],
)
def test_an_unreadable_object_raises_on_get_and_is_left_out_elsewhere(
    boxes: Boxes, size: Any, fields: Json, detail: str
) -> None:
    metadata = {"name": "a", "namespace": SHOP, "uid": "u", "resourceVersion": "7"}
    obj = {"metadata": metadata, "size": size, **fields}
    boxes.put("b")
    with pytest.raises(UnreadableError) as error:
        boxes.store.read(boxes.source, obj)
    found = error.value
    assert (found.resource, found.namespace, found.name) == (BOXES, SHOP, "a")
    assert found.detail.startswith(detail)
    assert str(found) == f"this version cannot read Box shop/a: {found.detail}"
    assert CANARY not in str(found)
    assert "4711" not in str(found)
    assert boxes.store.is_readable(boxes.source, SHOP, "b")
    assert not boxes.store.is_readable(boxes.source, SHOP, "none")
    models = boxes.store.readable(boxes.source, [obj, *boxes.store.cache(BOXES)])
    assert [box.metadata["name"] for box in models] == ["b"]


def test_names_are_read_of_unreadable_objects_too(boxes: Boxes) -> None:
    boxes.put("a", HUGE)
    boxes.put("b")
    assert boxes.names() == ["b"]
    assert boxes.store.names(BOXES, "all", "") == {"a", "b"}
    assert boxes.store.raw(BOXES, SHOP, "a") is not None
    with pytest.raises(UnreadableError):
        boxes.get("a")


def test_unreadable_objects_are_counted_once_they_are_read(boxes: Boxes) -> None:
    for name, size in (("a", HUGE), ("b", FORBIDDEN), ("c", "small")):
        boxes.put(name, size)
    assert boxes.store.unreadable == {}
    for _ in range(2):
        boxes.names()
    boxes.put("a", HUGE)
    boxes.names()
    assert boxes.store.unreadable == {"Box": 2}, "a newer version is the same object"


def test_an_unreadable_object_is_no_more_counted_once_it_can_be_read(boxes: Boxes) -> None:
    boxes.put("a", HUGE)
    assert boxes.names() == []
    boxes.put("a", "large")
    assert boxes.names() == ["a"]
    assert boxes.store.unreadable == {}


def test_an_unreadable_object_is_no_more_counted_once_it_is_deleted(boxes: Boxes) -> None:
    gone = boxes.put("a", HUGE)
    boxes.put("b", HUGE)
    boxes.names()
    boxes.remove(gone)
    assert boxes.store.unreadable == {"Box": 1}


def test_an_unreadable_object_is_no_more_counted_once_another_has_its_name(boxes: Boxes) -> None:
    # The watch was late: the cache sees the object made again, and never the deletion of the first.
    boxes.put("a", HUGE, uid="first")
    boxes.names()
    boxes.put("a", uid="second")
    assert boxes.names() == ["a"]
    assert boxes.store.unreadable == {}


def test_subscribers_hear_of_every_kind(boxes: Boxes) -> None:
    heard: list[tuple[str, str | None, str | None]] = []

    def note(resource: Resource, old: Json | None, new: Json | None) -> None:
        versions = [obj["metadata"]["resourceVersion"] if obj else None for obj in (old, new)]
        heard.append((resource.kind, versions[0], versions[1]))

    boxes.store.subscribe(note)
    boxes.put("a")
    boxes.remove(boxes.put("a", "large"))
    metadata = {"name": "m", "namespace": SHOP, "uid": "m", "resourceVersion": "9"}
    boxes.store.cache(CONFIG_MAPS).apply({"metadata": metadata})
    assert heard == [("Box", None, "1"), ("Box", "1", "2"), ("Box", "2", None), ("ConfigMap", None, "9")]
