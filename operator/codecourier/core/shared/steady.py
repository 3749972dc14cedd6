"""Which changes of a quoted sentence are news: a back-off time, a counter or the number of a request is none.

Other programs put numbers into what they say that change each time: how long a kubelet backs off, how much of a quota
is used, the port of a connection. A status that quotes them would be written at each look, for all that watch it.
"""

from __future__ import annotations

import re
from typing import Any

from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.resources.meta import Condition, Status

__all__ = ["steady"]

_QUOTING = frozenset(
    {
        Reason.STARTING,
        Reason.POD_REFUSED,
        Reason.REVISION_REFUSED,
        Reason.CREATION_REFUSED,
        Reason.QUOTA_EXCEEDED,
        Reason.RECORDS_OWED,
        Reason.CREDENTIALS_REFUSED,
        Reason.REPOSITORY_NOT_FOUND,
        Reason.FORGE_UNAVAILABLE,
        Reason.FORGE_REFUSED,
        Reason.ISSUE_NOT_FOUND,
        Reason.ISSUE_LOCKED,
        Reason.ISSUES_FORBIDDEN,
        Reason.CHECKS_FORBIDDEN,
        Reason.PULL_REQUEST_NOT_FOUND,
        Reason.MERGE_REQUESTED,
        Reason.MERGE_REFUSED,
        Reason.RATE_LIMITED,
        Reason.PULL_REQUEST_REFUSED,
    }
)
"""Reasons whose sentences quote other programs. What the operator says by itself, such as a limit, is always news."""

_NUMBER = re.compile(r"""(?<![\w'".@-])(?:\d[\w.:,/+-]*|[0-9A-F]{4}(?::[0-9A-F]+)+)""")
"""A number with its unit, a time, an address or the number of a request; not one within a name or in quotes."""


def steady(present: Status, new: Status) -> Status:
    """Return the present status where a new one differs from it only by numbers in what it quotes, else the new one."""
    if new == present or _steadied(present, new) != present:
        return new
    return present


def _steadied(present: Any, new: Any) -> Status:
    old = {condition.type: condition for condition in present.conditions}
    conditions = tuple(_steadied_condition(old.get(c.type), c) for c in new.conditions)
    changes: dict[str, Any] = {"conditions": conditions}
    succeeded = next((c for c in conditions if c.type == ConditionType.SUCCEEDED), None)
    if hasattr(new, "message") and succeeded is not None and _is_same(succeeded.reason, present.message, new.message):
        changes["message"] = present.message
    kept: Status = new.updated(**changes)
    return kept


def _steadied_condition(old: Condition | None, new: Condition) -> Condition:
    if old is None or old.reason != new.reason or not _is_same(new.reason, old.message, new.message):
        return new
    return new.updated(message=old.message)


def _is_same(reason: str, old: str, new: str) -> bool:
    return reason in _QUOTING and _NUMBER.sub("#", old) == _NUMBER.sub("#", new)
