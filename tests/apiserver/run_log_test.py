"""The log of a run: redacted, in bounded memory, as long as the client reads it and may, also without its pod."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from codecourier.apiserver.doors import AGGREGATED
from codecourier.apiserver.keys import list_keys, revoke_key
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.streams import CHECK_SECONDS, End, Stream, Streams, StreamTerms
from codecourier.core.shared.naming import sandbox_name
from codecourier.kinds.api_resources import RUNS, SANDBOXES
from codecourier.kube.api import PODS, Json
from codecourier.redaction import HIDDEN, LINE_MAX_BYTES
from tests.simulation.clock import virtual
from tests.support.asgi import NAMESPACE, Api, play_api

PATH = "/api/v1/runs/r_fix/log"
PASSED_ON = f"{AGGREGATED}/namespaces/{NAMESPACE}/api/v1"
TOKEN = "ghp_CANARYcanary0123456789canary"


async def make_try(api: Api, *, pod: bool = True, phase: str = "Running") -> str:
    """Create Run `fix` with one try; return the name of its pod."""
    spec = {"workflowRef": {"name": "build"}, "prompt": "Fix."}
    made = api.server.store.create(RUNS, {"metadata": {"name": "fix", "namespace": NAMESPACE}, "spec": spec}).copy()
    name = sandbox_name("fix", made["metadata"]["uid"], 1, 1)
    done = {"number": 1, "sandbox": name, "phase": phase, "message": "It failed."}
    status = {"phase": "Running", "attempt": 1, "tries": [done]}
    api.server.edit(RUNS, NAMESPACE, "fix", lambda run: run.update(status={**run.get("status", {}), **status}))
    if pod:
        make_pod(api, name)
    await api.settle()
    return name


def make_pod(api: Api, name: str) -> None:
    """Create a pod."""
    api.server.store.create(PODS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"containers": []}})


def write(api: Api, pod: str, container: str, text: str) -> None:
    """Have a container write more."""
    key = (NAMESPACE, pod, container)
    api.server.logs[key] = api.server.logs.get(key, "") + text


def test_the_logs_of_all_containers_follow_each_other_without_credentials() -> None:
    async def scenario(api: Api) -> None:
        pod = await make_try(api)
        write(api, pod, "checkout", "cloned\n")
        write(api, pod, "agent", f"one\nmy token is {TOKEN}\nlast without an end")
        status, headers, text = await api.raw("GET", PATH)
        assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert headers["x-codecourier-log"] == "pod"
        assert (await api.raw("GET", "/api/v1/log/r_fix"))[2] == text
        expected = f"==> checkout <==\ncloned\n==> agent <==\none\nmy token is {HIDDEN}\nlast without an end\n"
        assert text.decode() == expected
        assert (await api.raw("GET", f"{PATH}?container=agent&tail=1"))[2] == b"last without an end\n"
        assert (await api.raw("GET", f"{PATH}?try=1&container=publish"))[
            2
        ] == b"# The containers have written nothing yet.\n"

    play_api(scenario)


@pytest.mark.parametrize("query", ["try=0", "container=main", "tail=0", "since=1", "follow=perhaps"])
def test_a_wrong_parameter_is_named(query: str) -> None:
    async def scenario(api: Api) -> None:
        answer = await api.ask("GET", f"/runs/fix/log?{query}")
        assert (answer.status, list(answer.fields)) == (400, [query.partition("=")[0]])

    play_api(scenario)


def test_a_try_that_is_not_there_is_not_found_and_says_why() -> None:
    async def scenario(api: Api) -> None:
        await make_try(api)
        answer = await api.ask("GET", "/runs/fix/log?try=2")
        assert (answer.status, answer.body["error"]["message"]) == (
            404,
            "Attempt 1 of the run has no try 2. It has had 1.",
        )
        spec = {"workflowRef": {"name": "build"}, "prompt": "x"}
        api.server.store.create(RUNS, {"metadata": {"name": "new", "namespace": NAMESPACE}, "spec": spec})
        await api.settle()
        answer = await api.ask("GET", "/runs/new/log")
        assert (answer.status, answer.body["error"]["message"]) == (
            404,
            "The run has no sandbox yet, so it has no log.",
        )

    play_api(scenario)


def test_an_earlier_attempt_has_the_log_of_its_pod_and_then_what_its_sandbox_keeps() -> None:
    async def scenario(api: Api) -> None:
        present = await make_try(api)
        uid = api.server.store.get(RUNS, NAMESPACE, "fix").obj["metadata"]["uid"]
        for number in (1, 2):
            spec = {"runRef": {"name": "fix", "uid": uid}, "attempt": 1, "tryNumber": number}
            metadata = {"name": sandbox_name("fix", uid, 1, number), "namespace": NAMESPACE}
            api.server.store.create(SANDBOXES, {"metadata": metadata, "spec": spec})
        ended = {"phase": "Failed", "message": "Try 2 failed."}
        last = sandbox_name("fix", uid, 1, 2)
        api.server.edit(SANDBOXES, NAMESPACE, last, lambda found: found.update(status=ended))
        api.server.edit(RUNS, NAMESPACE, "fix", lambda run: run["status"].update(attempt=2, tries=[]))
        write(api, present, "agent", "the first try\n")
        await api.settle()
        status, headers, text = await api.raw("GET", f"{PATH}?attempt=1&try=1")
        assert (status, headers["x-codecourier-log"], text) == (200, "pod", b"==> agent <==\nthe first try\n")
        # The last try has no pod any more.
        status, headers, text = await api.raw("GET", f"{PATH}?attempt=1&follow=true")
        assert (status, headers["x-codecourier-log"]) == (200, "status")
        assert "# Failed: Try 2 failed." in text.decode()
        for query, message in (
            ("attempt=1&try=3", "Nothing is kept of try 3 of attempt 1: there was none, or its sandbox is deleted."),
            ("attempt=3", "The run has no attempt 3. Its last one is 2."),
        ):
            answer = await api.ask("GET", f"/runs/fix/log?{query}")
            assert (answer.status, answer.body["error"]["message"]) == (404, message)

    play_api(scenario)


def test_a_sandbox_of_another_run_keeps_nothing_of_this_one() -> None:
    async def scenario(api: Api) -> None:
        await make_try(api)
        uid = api.server.store.get(RUNS, NAMESPACE, "fix").obj["metadata"]["uid"]
        spec = {"runRef": {"name": "fix", "uid": "another"}, "attempt": 1, "tryNumber": 1}
        metadata = {"name": sandbox_name("fix", uid, 1, 1), "namespace": NAMESPACE}
        api.server.store.create(SANDBOXES, {"metadata": metadata, "spec": spec})
        api.server.edit(RUNS, NAMESPACE, "fix", lambda run: run["status"].update(attempt=2, tries=[]))
        await api.settle()
        assert (await api.ask("GET", "/runs/fix/log?attempt=1")).status == 404

    play_api(scenario)


def test_once_the_pod_is_gone_the_answer_says_so_and_has_what_is_kept() -> None:
    async def scenario(api: Api) -> None:
        name = await make_try(api, pod=False, phase="Failed")
        status, headers, text = await api.raw("GET", PATH)
        assert (status, headers["x-codecourier-log"]) == (200, "status")
        assert text.decode().startswith("# The pod of try 1 is gone, and its log with it.")
        assert "# Failed: It failed." in text.decode()
        spec = {"runRef": {"name": "fix", "uid": "u"}, "attempt": 1, "tryNumber": 1}
        api.server.store.create(SANDBOXES, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
        steps = [
            {"name": "checkout", "exitCode": 0},
            {"name": "agent", "exitCode": 1, "reason": "Error", "message": f"It said {TOKEN}."},
        ]
        kept: Json = {"phase": "Failed", "steps": steps, "result": {"state": "Failed", "summary": "Tried."}}
        api.server.edit(SANDBOXES, NAMESPACE, name, lambda sandbox: sandbox.update(status=kept))
        await api.settle()
        text = (await api.raw("GET", PATH))[2]
        assert b"==> agent <==\n# It ended with exit code 1 (Error).\nIt said " + HIDDEN.encode() in text
        assert b"# The agent's summary: Tried." in text
        assert b"checkout" not in (await api.raw("GET", f"{PATH}?container=agent"))[2]

    play_api(scenario)


def test_a_node_that_does_not_answer_is_no_empty_log() -> None:
    async def scenario(api: Api) -> None:
        pod = await make_try(api)
        write(api, pod, "checkout", "x\n")
        api.server.is_kubelet_silent = True
        answer = await api.ask("GET", "/runs/fix/log")
        assert (answer.status, answer.code) == (503, "unavailable")

    play_api(scenario)


def test_a_log_of_another_pod_cannot_be_had_by_a_status() -> None:
    async def scenario(api: Api) -> None:
        await make_try(api, pod=False)
        api.server.store.create(
            PODS, {"metadata": {"name": "other", "namespace": NAMESPACE}, "spec": {"containers": []}}
        )
        write(api, "other", "agent", "secret business\n")
        tries = [{"number": 1, "sandbox": "other"}]
        api.server.edit(RUNS, NAMESPACE, "fix", lambda run: run["status"].update(tries=tries))
        await api.settle()
        assert b"secret business" not in (await api.raw("GET", PATH))[2]

    play_api(scenario)


def test_a_log_that_is_followed_goes_on_until_the_try_is_over() -> None:
    async def scenario(api: Api) -> None:
        pod = await make_try(api)
        reading = asyncio.create_task(api.raw("GET", f"{PATH}?follow=true&container=agent"))
        await asyncio.sleep(5)
        write(api, pod, "agent", "one\n")
        await asyncio.sleep(100)
        write(api, pod, "agent", "two\n")
        await asyncio.sleep(5)
        assert not reading.done()
        api.server.edit(PODS, NAMESPACE, pod, lambda found: found.update(status={"phase": "Succeeded"}))
        status, _, text = await reading
        assert (status, text) == (200, b"# Container agent waits to start.\none\ntwo\n")

    play_api(scenario)


def test_a_log_lasts_as_long_as_kube_apiserver_lets_it() -> None:
    async def scenario(api: Api) -> None:
        pod = await make_try(api)
        write(api, pod, "agent", "one\n")
        query = "?follow=true&container=agent"
        short, long = (
            asyncio.create_task(api.raw("GET", f"{PASSED_ON}{path}{query}", user="alice"))
            for path in ("/runs/r_fix/log", "/log/r_fix")
        )
        await asyncio.sleep(53)
        assert not short.done()
        await asyncio.sleep(60)
        assert (await asyncio.wait_for(short, 1))[2].endswith("…/api/v1/log/<id> for logs.\n".encode())
        assert not long.done()
        api.server.edit(PODS, NAMESPACE, pod, lambda found: found.update(status={"phase": "Succeeded"}))
        assert (await long)[2] == b"one\n"

    play_api(scenario)


def test_a_container_that_never_starts_is_waited_for_no_longer_than_its_try() -> None:
    async def scenario(api: Api) -> None:
        await make_try(api)
        reading = asyncio.create_task(api.raw("GET", f"{PATH}?follow=true&container=publish"))
        await asyncio.sleep(20)
        assert not reading.done()
        api.server.edit(RUNS, NAMESPACE, "fix", lambda run: run["status"]["tries"][0].update(phase="Failed"))
        assert (await asyncio.wait_for(reading, 5))[2] == b"# Container publish waits to start.\n"

    play_api(scenario)


def test_a_right_that_is_taken_away_or_a_key_that_is_revoked_ends_the_stream() -> None:
    async def take_right(api: Api) -> None:
        api.kube.denied = frozenset({("get", "runs/log")})

    async def revoke(api: Api) -> None:
        for key in await list_keys(api.kube, NAMESPACE):
            await revoke_key(api.kube, NAMESPACE, key.name)

    async def scenario(api: Api, take: Callable[[Api], Awaitable[None]]) -> None:
        pod = await make_try(api)
        write(api, pod, "agent", "one\n")
        reading = asyncio.create_task(api.raw("GET", f"{PATH}?follow=true&container=agent"))
        await asyncio.sleep(CHECK_SECONDS * 3 + 1)
        assert not reading.done()
        await take(api)
        _, _, text = await asyncio.wait_for(reading, CHECK_SECONDS + 12)
        assert text.startswith(b"one\n\n# The stream ends here: ")

    for take in (take_right, revoke):
        play_api(lambda api, take=take: scenario(api, take))  # type: ignore[misc]


def test_the_right_is_that_on_the_log() -> None:
    async def scenario(api: Api) -> None:
        await make_try(api)
        api.kube.denied = frozenset({("get", "runs/log")})
        assert (await api.ask("GET", "/runs/fix/log")).status == 403
        assert (await api.ask("GET", "/runs/fix")).status == 200

    play_api(scenario)


def test_a_stream_ends_with_its_client_and_gives_its_place_back() -> None:
    async def scenario(api: Api) -> None:
        pod = await make_try(api)
        write(api, pod, "agent", "one\n")
        leave = asyncio.Event()
        path = f"{PATH}?follow=true&container=agent"
        streams = [asyncio.create_task(api.raw("GET", path, leave=leave)) for _ in range(8)]
        await asyncio.sleep(5)
        answer = await api.ask("GET", "/runs/fix/log?follow=true&container=agent")
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (429, "rate_limited", "5")
        leave.set()
        assert {text for _, _, text in await asyncio.wait_for(asyncio.gather(*streams), 1)} == {b"one\n"}
        assert (await api.raw("GET", f"{PATH}?container=agent"))[2] == b"one\n"

    play_api(scenario)


@virtual
async def test_a_client_that_does_not_read_holds_one_part_until_its_connection_ends() -> None:
    taken: list[int] = []
    ended: list[bool] = []
    left = asyncio.Event()

    async def parts() -> AsyncGenerator[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 65_536

    async def send(message: Json) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(15 if len(taken) < 3 else 600)

    async def receive() -> Json:
        await left.wait()
        return {"type": "http.disconnect"}

    async def check() -> None:
        return None

    terms = StreamTerms(check, lambda: ended.append(True))
    stream = asyncio.create_task(Stream(Streams("logs", 1, 1), terms, parts(), repr_of, {})({}, receive, send))  # type: ignore[arg-type]
    await asyncio.sleep(60)
    assert (len(taken), ended) == (3, [])
    left.set()
    await asyncio.wait_for(stream, 1)
    assert (len(taken), ended) == (3, [True])


def repr_of(end: End) -> bytes:
    """Return the last part of an answer."""
    return repr(end).encode()


def test_users_share_the_places_of_streams() -> None:
    streams = Streams("logs", 8, 64)
    ends = [streams.begin(f"user-{number % 8}") for number in range(64)]
    with pytest.raises(Refusal, match="64 logs are open") as refused:
        streams.begin("another")
    assert refused.value.status_code == 503
    ends.pop()()
    streams.begin("another")


def test_a_line_without_an_end_is_shown_up_to_its_limit() -> None:
    async def scenario(api: Api) -> None:
        pod = await make_try(api)
        write(api, pod, "agent", "x" * (LINE_MAX_BYTES * 20) + TOKEN + "\nnext\n")
        text = (await api.raw("GET", f"{PATH}?container=agent"))[2].decode()
        assert text == "x" * LINE_MAX_BYTES + "… (the rest of the line is left out)\nnext\n"

    play_api(scenario)
