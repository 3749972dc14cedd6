"""What people do with Learnings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol

from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.kinds.api_resources import LEARNINGS
from codecourier.kube.api import Json, Resource

__all__ = ["lesson_deeds"]


class _Edit(Protocol):
    """Changes some object of a kind that fits."""

    def __call__(
        self, resource: Resource, change: Callable[[Json], Any], fits: Callable[[Json], bool] = ..., /
    ) -> object: ...


def lesson_deeds(
    edit: _Edit, delete: Callable[[Resource], object], write: Callable[[str], object], random: Random
) -> Mapping[str, Callable[[], object]]:
    """Return the deeds by name.

    Parameters
    ----------
    edit
        Changes some object of a kind.
    delete
        Deletes one.
    write
        Declares a Learning of a name.
    random
        Source of names and words.
    """

    def decide(*, accepted: bool) -> object:
        return edit(
            LEARNINGS,
            lambda obj: obj["spec"].update(accepted=accepted),
            lambda obj: obj["spec"].get("accepted", False) is not accepted,
        )

    def trash(obj: Json) -> None:
        obj["metadata"].setdefault("labels", {})[LABEL_TRASHED] = "true"

    def correct(obj: Json) -> None:
        obj["spec"]["text"] = f"Lesson, corrected at {random.random()}."

    return {
        "accept learning": lambda: decide(accepted=True),
        "take learning back": lambda: decide(accepted=False),
        "trash learning": lambda: edit(LEARNINGS, trash),
        "correct learning": lambda: edit(LEARNINGS, correct),
        "delete learning": lambda: delete(LEARNINGS),
        "write learning": lambda: write(f"note-{random.randrange(10**6)}"),
    }
