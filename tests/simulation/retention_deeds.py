"""What makes retention come: time that passes, and users who put things into the trash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import Any

from codecourier.core.shared.naming import ANNOTATION_TRASHED_TIME, LABEL_TRASHED
from codecourier.kinds.api_resources import ISSUE_SESSIONS, LEARNINGS, RUNS, SANDBOXES, WORKFLOWS
from codecourier.kube.api import Json
from tests.simulation.clock import WallClock

__all__ = ["retention_deeds"]

_HOUR = 3600.0
_TRASHABLE = (RUNS, RUNS, SANDBOXES, WORKFLOWS, LEARNINGS, ISSUE_SESSIONS)


def retention_deeds(clock: WallClock, random: Random, edit: Callable[..., Any]) -> Mapping[str, Callable[[], Any]]:
    """Return the deeds by their words.

    Parameters
    ----------
    clock
        The clock of all.
    random
        Chooses.
    edit
        Changes some object of a kind.
    """

    def trash() -> None:
        edit(random.choice(_TRASHABLE), lambda obj: _put_away(obj, clock.now()))

    return {
        "pass two hours": lambda: clock.jump(2 * _HOUR),
        "pass a season": lambda: clock.jump(100 * 24 * _HOUR),
        "put into the trash": trash,
    }


def _put_away(obj: Json, now: datetime) -> None:
    obj["metadata"].setdefault("labels", {})[LABEL_TRASHED] = "true"
    obj["metadata"].setdefault("annotations", {})[ANNOTATION_TRASHED_TIME] = now.isoformat()
