"""Ids of the REST API: a prefix that names the kind, and the name of the object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from codecourier.apiserver.refusal import Detail, bad_request

__all__ = [
    "API_KEY_ID",
    "ISSUE_SESSION_ID",
    "LEARNING_ID",
    "MERGE_JOB_ID",
    "NOTIFICATION_ID",
    "PREFIXES",
    "RECURRING_TASK_ID",
    "RUN_ID",
    "SANDBOX_ID",
    "SPRINT_CHAIN_ID",
    "USAGE_ID",
    "WORKFLOW_ID",
    "MakerName",
    "NotificationName",
    "RecurringTaskName",
    "SprintChainName",
    "WorkflowName",
    "parse_id",
    "parse_maker",
    "read_id",
    "read_maker",
]

RUN_ID = "r_"
WORKFLOW_ID = "wf_"
RECURRING_TASK_ID = "rt_"
SPRINT_CHAIN_ID = "sc_"
ISSUE_SESSION_ID = "is_"
API_KEY_ID = "ak_"
SANDBOX_ID = "sb_"
LEARNING_ID = "ln_"
MERGE_JOB_ID = "mj_"
NOTIFICATION_ID = "notif_"
USAGE_ID = "us_"

PREFIXES: Mapping[str, str] = {
    "Run": RUN_ID,
    "Sandbox": SANDBOX_ID,
    "SprintChain": SPRINT_CHAIN_ID,
    "RecurringTask": RECURRING_TASK_ID,
    "IssueSession": ISSUE_SESSION_ID,
    "MergeJob": MERGE_JOB_ID,
    "Workflow": WORKFLOW_ID,
    "Learning": LEARNING_ID,
    "Notification": NOTIFICATION_ID,
}
"""Prefix of the ids of each kind that has ids."""

_MOST_LENGTH = 256
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def parse_id(text: str, prefix: str) -> str:
    """Return the name of the object that an id says, given with its prefix or without.

    An id that no object can have is returned as a name that no object has, so that it is not found.

    Raises
    ------
    ValueError
        If the id has another prefix.
    """
    # No name of an object has an underscore.
    found, underscore, name = text.rpartition("_")
    if underscore and found + underscore != prefix:
        raise ValueError(f"must be an id that begins with {prefix}")
    return name if len(name) <= _MOST_LENGTH and _NAME.fullmatch(name) else ""


def read_id(text: str, prefix: str, field: str = "id") -> str:
    """Return the name of the object that an id in a path, or in a field of a body, says.

    Raises
    ------
    Refusal
        400 if the id has another prefix.
    """
    try:
        return parse_id(text, prefix)
    except ValueError as error:
        raise bad_request(Detail(field=field, message=f"The id {error}.")) from None


def parse_maker(text: str) -> tuple[str, str]:
    """Return prefix and name of what made a pull request, a Run or a MergeJob; without a prefix it is a Run.

    Raises
    ------
    ValueError
        If the id has another prefix.
    """
    prefix = MERGE_JOB_ID if text.startswith(MERGE_JOB_ID) else RUN_ID
    try:
        return prefix, parse_id(text, prefix)
    except ValueError:
        raise ValueError(f"must be an id that begins with {RUN_ID} or {MERGE_JOB_ID}") from None


def read_maker(text: str) -> tuple[str, str]:
    """Return prefix and name of what made a pull request, as the id in a path says; see `parse_maker`.

    Raises
    ------
    Refusal
        400 if the id has another prefix.
    """
    try:
        return parse_maker(text)
    except ValueError as error:
        raise bad_request(Detail(field="id", message=f"The id {error}.")) from None


def _named(prefix: str) -> Callable[[Any], str]:
    def parse(text: str) -> str:
        name = parse_id(text, prefix)
        if not name:
            raise ValueError(f"must be an id that begins with {prefix}")
        return name

    return parse


NotificationName = Annotated[str, AfterValidator(_named(NOTIFICATION_ID))]
"""The id of a Notification in a body, read as its name."""

WorkflowName = Annotated[str, AfterValidator(_named(WORKFLOW_ID))]
"""The id of a Workflow in a body or query, read as its name."""

SprintChainName = Annotated[str, AfterValidator(_named(SPRINT_CHAIN_ID))]
"""The id of a SprintChain, read as its name."""

RecurringTaskName = Annotated[str, AfterValidator(_named(RECURRING_TASK_ID))]
"""The id of a RecurringTask, read as its name."""

MakerName = Annotated[str, AfterValidator(lambda text: "".join(parse_maker(text)))]
"""The id of what made a pull request in a query, with its prefix; one that nothing can have is a prefix alone."""
