"""What a newcomer asks the REST API for first: the demonstration's key, and requests to try it with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from codecourier.apiserver.ids import MERGE_JOB_ID
from codecourier.apiserver.keys import create_key
from codecourier.kube.api import KubeApi
from codecourier.resources.member import Member, MemberKind, MemberRole

__all__ = ["first_merge_requests", "first_requests", "key_member", "make_key"]

KEY_OWNER = "demo"
"""Owner of the demonstration's key."""

_KEY_DAYS = 30
_REQUESTS_PER_MINUTE = 600
_KEY_HEADER = '-H "Authorization: Bearer $KEY"'


async def make_key(api: KubeApi, namespace: str) -> str:
    """Make a key for the demonstration's user; it is kept nowhere."""
    expiry = (datetime.now(UTC) + timedelta(days=_KEY_DAYS)).replace(microsecond=0)
    return (await create_key(api, namespace, KEY_OWNER, expiry, _REQUESTS_PER_MINUTE)).key


def key_member(namespace: str) -> Member:
    """Return the member that the key's owner is: an admin of the project."""
    return Member(kind=MemberKind.USER, name=f"codecourier:{namespace}:{KEY_OWNER}", role=MemberRole.ADMIN)


def first_requests() -> tuple[str, ...]:
    """Return lines for a shell that has the key in `KEY` and the address of the REST API in `API`."""
    key = _KEY_HEADER
    body = (
        '{"title": "Tidy up", "prompt": "Remove what nothing uses.", "frequency": "weekly", '
        '"targetWorkflowId": "wf_scripted", "timezone": "UTC", "scheduledHour": 6, "scheduledMinute": 0}'
    )
    return (
        f"curl {key} $API/sprint-chains",
        f"curl -X POST {key} -H \"Content-Type: application/json\" -d '{body}' $API/recurring-tasks",
        f"curl {key} $API/recurring-tasks",
    )


def first_merge_requests(job: str) -> tuple[str, ...]:
    """Return the lines for merges, of which one has this name; see `first_requests`."""
    return (
        f"curl {_KEY_HEADER} $API/merging/list",
        f"curl {_KEY_HEADER} $API/merging/{MERGE_JOB_ID}{job}",
        f"curl {_KEY_HEADER} $API/pull-requests",
    )
