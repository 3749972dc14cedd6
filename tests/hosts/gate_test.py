"""The way to the hosts: what hangs is bounded, answered at once after that, and asked again by one probe at a time."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from codecourier.github.api import Operation
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import AppInstallation, InstallationToken, PersonalToken, RepositoryRef
from codecourier.github.errors import ForgeError, ForgeNotFound, RateLimited, Silent, Unavailable
from codecourier.github.operations.get_branch_head import GetBranchHead
from codecourier.github.operations.mint_token_pair import MintTokenPair
from codecourier.github.secret import Secret
from codecourier.github.transport import Wait
from codecourier.hosts.breaker import FIRST_SECONDS
from codecourier.hosts.gate import BOUNDS, TURN_SECONDS, Gate
from codecourier.kube.errors import NotLeadingError
from tests.simulation.clock import EPOCH, pass_time, virtual

HEAD: Any = GetBranchHead("main")
OPERATION_SECONDS = 10.0


def repo(host: str = "h", token: str = "a", name: str = "team/shop") -> RepositoryRef:
    return RepositoryRef(f"https://{host}.test/{name}", PersonalToken(Secret(token)))


@dataclass
class Hosts:
    """A forge of which some hosts hang, counting what is sent to each."""

    hung: set[str] = field(default_factory=set)
    error: ForgeError | None = None
    sent: Counter[str] = field(default_factory=Counter)
    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    def is_hung(self, _repo: RepositoryRef, host: str) -> bool:
        return host in self.hung

    async def do(self, repo: RepositoryRef, _operation: Operation[Any]) -> Any:
        host = repo.url.removeprefix("https://").partition("/")[0]
        for name in (host, "all"):
            self.sent[name] += 1
            self.now[name] += 1
            self.most[name] = max(self.most[name], self.now[name])
        is_hung = self.is_hung(repo, host)
        try:
            await pass_time(OPERATION_SECONDS if is_hung else 0.5)
        finally:
            self.now.subtract((host, "all"))
        if is_hung:
            raise Silent(f"{repo.url} hangs", may_have_happened=True)
        if self.error is not None:
            raise self.error
        return "done"


def gate_of(hosts: Hosts) -> Gate:
    loop = asyncio.get_running_loop()
    return Gate(hosts, lambda: EPOCH + timedelta(seconds=loop.time()), lambda: True)


async def outcome(gate: Gate, where: RepositoryRef, namespace: str = "a") -> ForgeError | str:
    try:
        done: str = await gate.do(namespace, where, HEAD)
    except ForgeError as error:
        return error
    return done


async def outcomes(gate: Gate, places: Iterable[RepositoryRef], namespace: str = "a") -> list[ForgeError | str]:
    return await asyncio.gather(*(outcome(gate, place, namespace) for place in places))


def seconds() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_all_that_waits_is_answered_when_the_first_one_hangs() -> None:
    hosts = Hosts({"h.test"})
    gate = gate_of(hosts)
    found = await outcomes(gate, [repo()] * 200)
    assert (hosts.sent["h.test"], seconds()) == (1, OPERATION_SECONDS)
    assert {str(error) for error in found} == {"https://h.test did not answer in time; it is tried again"}
    assert {error.retry_at for error in found if isinstance(error, Silent)} == {
        EPOCH + timedelta(seconds=seconds() + FIRST_SECONDS)
    }
    assert (gate.running, gate.waiting, gate.silent_hosts) == (0, 0, 1)


@virtual
async def test_one_probe_at_a_time_is_sent_while_it_hangs() -> None:
    hosts = Hosts({"h.test"})
    gate = gate_of(hosts)
    asked = 0
    while seconds() < 600.0:
        asked += len(await outcomes(gate, [repo(name=f"team/{number}") for number in range(20)]))
        await pass_time(1.0)
    assert asked > 1000
    assert hosts.most["h.test"] == 1
    assert hosts.sent["h.test"] <= 14, "10 s each, after pauses of 5, 10, 20, 40, 60, 60 … s"


@virtual
async def test_an_answer_closes_it_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    hosts = Hosts({"h.test"})
    gate = gate_of(hosts)
    await outcomes(gate, [repo()] * 3)
    hosts.hung.clear()
    assert isinstance(await outcome(gate, repo()), Silent)
    await pass_time(FIRST_SECONDS)
    assert await outcome(gate, repo()) == "done"
    assert gate.silent_hosts == 0
    assert await outcomes(gate, [repo()] * 5) == ["done"] * 5
    assert [record.__dict__["reason"] for record in caplog.records] == ["BreakerOpened", "BreakerClosed"]
    assert "namespace a" in caplog.text


@pytest.mark.parametrize(
    "error", [ForgeNotFound("moved", status=301), Unavailable("500", may_have_happened=False, status=500)]
)
def test_a_refusal_is_an_answer(error: ForgeError) -> None:
    @virtual
    async def scenario() -> None:
        hosts = Hosts({"h.test"})
        gate = gate_of(hosts)
        await outcome(gate, repo())
        await pass_time(FIRST_SECONDS)
        hosts.hung.clear()
        hosts.error = error
        assert await outcomes(gate, [repo()] * 2) != [error, error], "others are answered while the probe is under way"
        assert await outcomes(gate, [repo()] * 2) == [error, error]

    scenario()


@virtual
async def test_a_request_that_was_not_sent_says_nothing_of_the_host() -> None:
    hosts = Hosts({"h.test"})
    gate = gate_of(hosts)
    await outcome(gate, repo())
    await pass_time(FIRST_SECONDS)
    hosts.hung.clear()
    hosts.error = RateLimited("used up", retry_at=EPOCH)
    await outcome(gate, repo())
    assert gate.silent_hosts == 1


@virtual
async def test_a_host_that_hangs_for_one_credential_answers_the_others() -> None:
    class Choosy(Hosts):
        def is_hung(self, repo: RepositoryRef, _host: str) -> bool:
            return repo.credential == PersonalToken(Secret("bad"))

    gate = gate_of(Choosy())
    bad = asyncio.create_task(outcomes(gate, [repo(token="bad")] * 200, "bad"))
    for _ in range(5):
        begun = seconds()
        assert await outcome(gate, repo(token="good"), "good") == "done"
        assert seconds() - begun < 1.0
    assert {type(error) for error in await bad} == {Silent}
    assert await outcome(gate, repo(token="good"), "good") == "done"


@virtual
async def test_many_hosts_of_one_namespace_that_hang_are_bounded_and_delay_no_other() -> None:
    hosts = Hosts({f"h{number}.test" for number in range(50)})
    gate = gate_of(hosts)
    bad = asyncio.create_task(outcomes(gate, [repo(f"h{number}") for number in range(50)] * 4, "bad"))
    await pass_time(1.0)
    begun = seconds()
    assert await outcomes(gate, [repo("good", name=f"team/{n}") for n in range(5)], "good") == ["done"] * 5
    assert seconds() - begun < 2.0
    await bad
    assert hosts.most["all"] <= BOUNDS.namespace.most_unproven + BOUNDS.lane.most


@virtual
async def test_many_namespaces_with_hosts_that_hang_leave_room_for_those_that_answer() -> None:
    hosts = Hosts({f"h{number}.test" for number in range(100)})
    gate = gate_of(hosts)
    assert await outcome(gate, repo("good"), "good") == "done"
    bad = [asyncio.create_task(outcome(gate, repo(f"h{n}"), f"bad-{n}")) for n in range(100)]
    await pass_time(1.0)
    assert hosts.now["all"] == BOUNDS.all.most_unproven
    begun = seconds()
    assert await outcome(gate, repo("good"), "good") == "done"
    assert seconds() - begun < 1.0
    await asyncio.gather(*bad)


@virtual
async def test_what_waits_too_long_for_its_turn_gives_its_place_in_the_queue_up() -> None:
    class Slow(Hosts):
        async def do(self, repo: RepositoryRef, operation: Operation[Any]) -> Any:
            await pass_time(25.0)
            return await super().do(repo, operation)

    gate = gate_of(Slow())
    assert await outcome(gate, repo()) == "done"
    begun = seconds()
    found = await outcomes(gate, [repo()] * 100)
    assert seconds() - begun <= TURN_SECONDS + 30.0
    assert {str(answer) for answer in found} == {
        "done",
        "https://h.test answers too slowly for all that is asked of it; it is tried again",
    }
    assert {error.may_have_happened for error in found if isinstance(error, Unavailable)} == {False}
    assert (gate.running, gate.waiting, gate.silent_hosts) == (0, 0, 0)
    assert await outcome(gate, repo()) == "done"


@virtual
async def test_all_credentials_of_a_host_that_hangs_have_one_sentence() -> None:
    hosts = Hosts({"h.test"})
    gate = gate_of(hosts)
    lanes = [repo(token=f"t{number}") for number in range(100)]
    begun = seconds()
    found = [await task for task in [asyncio.create_task(outcome(gate, lane, str(n))) for n, lane in enumerate(lanes)]]
    assert {str(error) for error in found} == {"https://h.test did not answer in time; it is tried again"}
    assert (seconds() - begun, gate.running, gate.waiting) == (TURN_SECONDS, 0, 0)


@virtual
async def test_what_waits_for_its_turn_when_the_lease_is_lost_is_not_sent() -> None:
    hosts, leading = Hosts(), [True]
    gate = Gate(hosts, lambda: EPOCH, lambda: leading[0])
    tasks = [asyncio.create_task(gate.do("a", repo(), HEAD)) for _ in range(3)]
    await pass_time(0.1)
    leading.clear()
    leading.append(False)
    done, *refused = await asyncio.gather(*tasks, return_exceptions=True)
    assert (done, {type(error) for error in refused}) == ("done", {NotLeadingError})
    assert (hosts.sent["h.test"], gate.running, gate.waiting, gate.silent_hosts) == (1, 0, 0, 0)


@virtual
async def test_tokens_that_revoke_themselves_share_a_lane_in_their_namespace() -> None:
    hosts = Hosts({"h.test"})
    gate = gate_of(hosts)
    places = [
        RepositoryRef("https://h.test/team/shop", InstallationToken(Secret(f"t{number}"))) for number in range(50)
    ]
    await outcomes(gate, places)
    assert hosts.sent["h.test"] == 1


@virtual
async def test_what_asks_nothing_of_a_host_needs_no_turn_and_says_nothing_of_it() -> None:
    hosts = Hosts({"h.test"})
    gate = gate_of(hosts)
    await outcome(gate, repo())
    hosts.hung.clear()
    operation: Any = MintTokenPair()
    assert await gate.do("a", repo(), operation) == "done"
    assert gate.silent_hosts == 1
    app = AppInstallation(1, Secret("key"), 7)
    assert operation.needs_host(app)


@virtual
async def test_what_may_have_happened_is_told_of_the_operation_that_hung_only() -> None:
    gate = gate_of(Hosts({"h.test"}))
    first, second = await outcomes(gate, [repo()] * 2)
    assert isinstance(first, Silent)
    assert isinstance(second, Silent)
    assert (first.may_have_happened, second.may_have_happened) == (True, False)


@virtual
async def test_lanes_that_are_no_longer_used_fill_no_memory() -> None:
    gate = gate_of(Hosts())
    for number in range(5000):
        await outcome(gate, repo(token=f"t{number}"))
    assert len(gate._breakers) == 4096
    assert not gate._turns._used


async def test_a_listener_that_never_answers_opens_the_breaker_of_the_real_client() -> None:
    noted: list[tuple[str, str, str]] = []
    wait = Wait(connect_seconds=0.2, read_seconds=0.2, operation_seconds=1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        where = RepositoryRef(f"https://{host}/team/shop", PersonalToken(Secret("x")))
        async with GitHubForge(hosts=frozenset({host}), wait=wait, note=lambda *note: noted.append(note)) as forge:
            gate = Gate(forge, lambda: EPOCH, lambda: True)
            found = await outcomes(gate, [where] * 40)
    assert {str(error) for error in found} == {f"https://{host} did not answer in time; it is tried again"}
    assert {type(error) for error in found} == {Silent}
    assert (noted, gate.silent_hosts) == ([(host, "GET", "none")], 1)
