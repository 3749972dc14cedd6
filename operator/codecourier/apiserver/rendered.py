"""Objects as lists show them, kept as text until they change: of a long list most objects are as they were."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from codecourier.apiserver.answers import View, view_text
from codecourier.kube.api import Json, Resource
from codecourier.resources.meta import CustomResource

__all__ = ["Rendered"]

R = TypeVar("R", bound=CustomResource)

_MOST_BYTES = 32 * 1024 * 1024


class Rendered:
    """Texts of objects, each until its object changes; the oldest go first where there are too many.

    Parameters
    ----------
    most_bytes
        Most memory of the texts together.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._texts: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes of all texts."""
        return self._bytes

    def text(self, obj: R, view: Callable[[R], View]) -> bytes:
        """Return an object as JSON.

        Parameters
        ----------
        obj
            The object, as the store has it now.
        view
            Returns what is shown of it: a function of the object alone, and the same one for all objects of the kind.
        """
        known = self._texts.get(obj.uid)
        if known is not None:
            return known
        made = view_text(view(obj))
        self._texts[obj.uid] = made
        self._bytes += len(made)
        while self._bytes > self._most_bytes:
            self._bytes -= len(self._texts.popitem(last=False)[1])
        return made

    def changed(self, _resource: Resource, old: Json | None, _new: Json | None) -> None:
        """Forget an object that has changed or is gone."""
        if old is not None:
            self._bytes -= len(self._texts.pop(old["metadata"]["uid"], b""))
