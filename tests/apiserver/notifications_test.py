"""The nine operations on notifications, over the simulated API server and by several replicas."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from codecourier.core.shared.inbox import inbox_name
from codecourier.kinds.api_resources import INBOXES, NOTIFICATIONS
from codecourier.kube.api import Json
from codecourier.kube.errors import NotFound
from tests.simulation.network import Network
from tests.support.asgi import NAMESPACE, Api, play_api, running

USER = f"codecourier:{NAMESPACE}:editor"


def add(api: Api, name: str, **spec: Any) -> None:
    """Create a Notification of an event that happens now."""
    entity = {"kind": "Run", "name": "fix", "uid": "uid"}
    made = {"type": "RunFailed", "title": "t", "message": "m", "eventTime": api.clock.now().isoformat()}
    obj = {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {**made, "entity": entity, **spec}}
    api.server.store.create(NOTIFICATIONS, obj)


def inbox(api: Api) -> Json:
    """Return the Inbox of the caller."""
    return api.server.store.get(INBOXES, NAMESPACE, inbox_name(USER)).copy()


def test_a_notification_is_shown_with_every_field_of_the_contract() -> None:
    async def scenario(api: Api) -> None:
        url = "https://github.com/org/repo/pull/1"
        add(api, "n", eventTime="2026-03-01T12:00:00.25Z", run="fix", prUrl=url, type="PrCreated")
        add(api, "m", eventTime="2026-03-01T12:00:00Z", entity={"kind": "SprintChain", "name": "c", "uid": "u"})
        await api.settle()
        found = await api.ask("GET", "/notifications")
        assert found.body["nextCursor"] is None
        assert found.data[0] == {
            "id": "notif_n",
            "type": "pr_created",
            "title": "t",
            "message": "m",
            "isRead": False,
            "readAt": None,
            "createdAt": "2026-03-01T12:00:00.250000Z",
            "entityType": "run",
            "entityId": "r_fix",
            "runId": "r_fix",
            "prUrl": url,
        }
        chain = found.data[1]
        assert (chain["entityType"], chain["entityId"], chain["runId"]) == ("sprint_chain", "sc_c", None)
        assert (await api.ask("GET", "/notifications/list")) == found
        with pytest.raises(NotFound):
            inbox(api)

    play_api(scenario)


def test_what_is_read_and_dismissed_is_so_for_this_caller_alone_and_by_either_path() -> None:
    async def scenario(api: Api) -> None:
        other = await api.of("other")
        for name in "abcd":
            add(api, name)
            await asyncio.sleep(1)
        await api.settle()

        async def data(method: str, path: str, body: Any = None, by: Api = api) -> Any:
            return (await by.ask(method, f"/notifications{path}", body)).data

        async def names(query: str, by: Api = api) -> str:
            return "".join(found["id"][-1] for found in await data("GET", f"?filter={query}", by=by))

        for _ in range(2):
            assert await data("POST", "/mark-read", {"notificationId": "notif_a"}) == {"id": "notif_a", "isRead": True}
            assert await data("PUT", "/b/read") == {"id": "notif_b", "isRead": True}
            assert await data("POST", "/dismiss", {"notificationId": "c"}) == {"id": "notif_c", "isDismissed": True}
        assert [await names(query) for query in ("all", "unread", "read", "run_failed")] == ["dba", "d", "ba", "dba"]
        assert await names("run_completed") == ""
        assert await data("GET", "/unread-count") == {"count": 1}
        assert (await names("unread", other), await data("GET", "/unread-count", by=other)) == ("dcba", {"count": 4})
        assert await data("DELETE", "/notif_d") == {"id": "notif_d", "isDismissed": True}
        version = inbox(api)["metadata"]["resourceVersion"]
        assert await data("PUT", "/read-all") == {"count": 0}
        assert inbox(api)["metadata"]["resourceVersion"] == version, "nothing changed, and it was written"
        assert await data("POST", "/mark-all-read", by=other) == {"count": 4}
        assert await data("GET", "/unread-count", by=other) == {"count": 0}
        assert await names("all") == "ba"
        stamp = "codecourier.dev/requested-by"
        assert (inbox(api)["spec"]["user"], inbox(api)["metadata"]["annotations"][stamp]) == (USER, USER)

    play_api(scenario)


def test_a_read_notification_says_when_it_was_read() -> None:
    async def scenario(api: Api) -> None:
        add(api, "a")
        await api.settle()
        await asyncio.sleep(60)
        before = api.clock.now()
        await api.ask("PUT", "/notifications/a/read")
        await asyncio.sleep(60)
        await api.ask("PUT", "/notifications/read-all")
        (found,) = (await api.ask("GET", "/notifications")).data
        read_time = found["readAt"].replace("Z", "+00:00")
        assert before.isoformat() <= read_time < (before + timedelta(seconds=1)).isoformat()

    play_api(scenario)


def test_pages_and_their_limit() -> None:
    async def scenario(api: Api) -> None:
        for number in range(60):
            add(api, f"n{number}")
        await api.settle()
        first = await api.ask("GET", "/notifications")
        assert len(first.data) == 50
        rest = await api.ask("GET", f"/notifications?cursor={first.body['nextCursor']}")
        assert (len(rest.data), rest.body["nextCursor"]) == (10, None)
        assert len({found["id"] for found in [*first.data, *rest.data]}) == 60
        whole = await api.ask("GET", "/notifications?limit=1000")
        assert whole.data == [*first.data, *rest.data]

    play_api(scenario)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("GET", "?filter=seen", None, 400, "filter"),
        ("GET", "/list?filter=RunFailed", None, 400, "filter"),
        ("GET", "?limit=0", None, 400, "limit"),
        ("GET", "?limit=1001", None, 400, "limit"),
        ("GET", "?cursor=x", None, 400, "cursor"),
        ("GET", "?cursor=WyIxIiwieCJd", None, 200, None),
        ("GET", "?cursor=WyJ4IiwieCJd", None, 400, "cursor"),
        ("GET", "?state=x", None, 400, "state"),
        ("PUT", "/notif_none/read", None, 404, None),
        ("PUT", "/r_none/read", None, 400, "id"),
        ("DELETE", "/none", None, 404, None),
        ("POST", "/mark-read", {"notificationId": "none"}, 404, None),
        ("POST", "/mark-read", {"notificationId": "r_none"}, 400, "notificationId"),
        ("POST", "/mark-read", {"notificationId": None}, 400, "notificationId"),
        ("POST", "/dismiss", {"id": "notif_a"}, 400, "id notificationId"),
        ("GET", "/notif_none", None, 405, None),
    ],
)
def test_what_is_wrong_is_refused(method: str, path: str, body: Any, status: int, field: str | None) -> None:
    async def scenario(api: Api) -> None:
        found = await api.ask(method, f"/notifications{path}", body)
        assert found.status == status, found
        if field is not None:
            assert " ".join(sorted(detail["field"] for detail in found.body["error"]["details"])) == field

    play_api(scenario)


def test_viewers_may_read_and_mark_and_others_may_not() -> None:
    async def scenario(api: Api) -> None:
        add(api, "a")
        await api.settle()
        operations = [("GET", ""), ("GET", "/unread-count"), ("PUT", "/a/read"), ("PUT", "/read-all"), ("DELETE", "/a")]

        async def row() -> list[int]:
            return [(await api.ask(method, f"/notifications{path}")).status for method, path in operations]

        api.kube.denied = frozenset((verb, "notifications") for verb in ("list", "update", "create"))
        assert await row() == [403, 403, 200, 200, 200]
        await asyncio.sleep(11)
        api.kube.denied = frozenset({("get", "notifications")})
        assert await row() == [200, 200, 403, 403, 403]

    play_api(scenario)


def test_a_full_inbox_is_a_conflict_with_a_next_step() -> None:
    async def scenario(api: Api) -> None:
        add(api, "a")
        add(api, "b")
        await api.settle()
        await api.ask("PUT", "/notifications/a/read")
        later = (api.clock.now() + timedelta(hours=1)).isoformat()
        entries = [{"name": f"n{number}", "creationTime": later} for number in range(1000)]
        spec = {"spec": {"read": {"exceptions": entries}}}
        api.server.store.patch(INBOXES, NAMESPACE, inbox_name(USER), spec)
        await asyncio.sleep(1)
        found = await api.ask("PUT", "/notifications/b/read")
        assert (found.status, "Mark all as read" in found.body["error"]["message"]) == (409, True)

    play_api(scenario)


class Slow(Network):
    """Shows a replica what happens up to five seconds late."""

    def event_delay(self, client: str, resource: object) -> float:
        """See `Network.event_delay`."""
        return self.random.random() * 5


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_when_replicas_write_at_once(seed: int) -> None:
    async def scenario(api: Api) -> None:
        for number in range(30):
            add(api, f"n{number}")
        asked = [("PUT", f"n{number}/read") for number in range(20)] + [("DELETE", f"n{number}") for number in range(9)]
        Random(seed).shuffle(asked)
        replicas = [api.replica(name, Slow(Random(seed * 10 + place))) for place, name in enumerate("abc")]
        with running(*replicas):
            await asyncio.sleep(10)
            answers = await asyncio.gather(
                *(
                    replicas[place % 3].ask(method, f"/notifications/{path}")
                    for place, (method, path) in enumerate(asked)
                )
            )
            assert {found.status for found in answers} == {200}
            await asyncio.sleep(20)
            for replica in replicas:
                assert (await replica.ask("GET", "/notifications/unread-count")).data == {"count": 10}
                found = (await replica.ask("GET", "/notifications")).data
                assert {each["id"] for each in found} == {f"notif_n{number}" for number in range(9, 30)}
                assert sum(each["isRead"] for each in found) == 11

    play_api(scenario)


def test_marking_all_at_two_replicas_at_once_leaves_nothing_unread() -> None:
    async def scenario(api: Api) -> None:
        for number in range(30):
            add(api, f"n{number}")
        other = api.replica("other", Network(Random(3)))
        with running(other):
            await asyncio.sleep(5)
            answers = await asyncio.gather(*(each.ask("POST", "/notifications/mark-all-read") for each in (api, other)))
            assert sorted(found.data["count"] for found in answers) == [0, 30]
            assert inbox(api)["metadata"]["generation"] == 1, "it was written twice"
            await asyncio.sleep(5)
            for each in (api, other):
                assert (await each.ask("GET", "/notifications/unread-count")).data == {"count": 0}

    play_api(scenario)
