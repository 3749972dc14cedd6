"""States of an issue; the operator's plans and its way to the hosts share them."""

from enum import StrEnum

__all__ = ["IssueState"]


class IssueState(StrEnum):
    """States of an issue."""

    OPEN = "Open"
    CLOSED = "Closed"
    TRANSFERRED = "Transferred"
    """It is an issue of another repository now."""

    DELETED = "Deleted"
    """Its host says that it is gone."""
