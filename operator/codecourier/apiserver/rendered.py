"""Objects as lists show them, kept as text until they change: of a long list most objects are as they were."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from itertools import count

from codecourier.kube.api import Json, Resource

__all__ = ["Kept", "Rendered", "Texts"]

_MOST_BYTES = 32 * 1024 * 1024
_ENTRY_BYTES = 256
"""What a text takes beside its characters."""

Texts = tuple[bytes, ...]
"""What a list shows of one object: nothing, one JSON, or several."""


class Rendered:
    """Texts of objects, each until its object changes; the oldest go first where there are too many.

    Parameters
    ----------
    most_bytes
        Most memory of the texts together.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._texts: OrderedDict[tuple[int, str, str], Texts] = OrderedDict()
        self._bytes = 0
        self._numbers = count()
        self._lists: defaultdict[Resource, list[int]] = defaultdict(list)

    @property
    def size(self) -> int:
        """Bytes of all texts."""
        return self._bytes

    def keep(self, resource: Resource) -> Kept:
        """Return where one list keeps what it shows of the objects of a kind: a function of the object alone."""
        number = next(self._numbers)
        self._lists[resource].append(number)
        return Kept(self, number)

    def find(self, key: tuple[int, str, str]) -> Texts | None:
        """Return what is kept of an object; None: nothing, or it has changed since."""
        return self._texts.get(key)

    def put(self, key: tuple[int, str, str], texts: Texts) -> None:
        """Keep what is shown of an object, as the store has it now."""
        self._forget(key)
        self._texts[key] = texts
        self._bytes += _size(texts)
        while self._bytes > self._most_bytes:
            self._bytes -= _size(self._texts.popitem(last=False)[1])

    def changed(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        """Forget an object that has changed or is gone."""
        metadata = (new or old or {})["metadata"]
        for number in self._lists[resource]:
            self._forget((number, metadata.get("namespace", ""), metadata["name"]))

    def _forget(self, key: tuple[int, str, str]) -> None:
        known = self._texts.pop(key, None)
        self._bytes -= 0 if known is None else _size(known)


class Kept:
    """What one list shows of objects.

    Parameters
    ----------
    rendered
        Keeps the texts of all lists.
    number
        The list.
    """

    def __init__(self, rendered: Rendered, number: int) -> None:
        self._rendered = rendered
        self._number = number

    def find(self, namespace: str, name: str) -> Texts | None:
        """Return what the list shows of an object; None: that is not known any more."""
        return self._rendered.find((self._number, namespace, name))

    def put(self, namespace: str, name: str, texts: Texts) -> Texts:
        """Keep what the list shows of an object, as the store has it now; return it."""
        self._rendered.put((self._number, namespace, name), texts)
        return texts


def _size(texts: Texts) -> int:
    return sum(map(len, texts)) + _ENTRY_BYTES
