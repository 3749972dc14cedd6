"""Leader election: never two leaders, and never long without one."""

from __future__ import annotations

import asyncio
import socket
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.controller.serve import unique_identity
from codecourier.kube.api import LEASES
from codecourier.kube.errors import ServerError, Unanswered
from codecourier.kube.lease import Action, LeaseTiming, Observation, decide
from tests.simulation.clock import pass_time, virtual
from tests.simulation.network import Call, Late
from tests.support.election import TIMING, Candidate, Election

ME, OTHER = "me", "other"
LONGEST_PAUSE = TIMING.retry * 1.2


@pytest.mark.parametrize(
    ("observation", "now", "action"),
    [
        (Observation(None, -inf), 0.0, Action.CREATE),
        (Observation(None, 100.0), 111.9, Action.WAIT),
        (Observation(None, 100.0), 112.0, Action.CREATE),
        (Observation("", 100.0), 100.0, Action.TAKE),
        (Observation(ME, 100.0), 100.0, Action.TAKE),
        (Observation(OTHER, 100.0), 100.0, Action.WAIT),
        (Observation(OTHER, 100.0), 111.9, Action.WAIT),
        (Observation(OTHER, 100.0), 112.0, Action.TAKE),
        (Observation(ME, 100.0, restored=100.0), 111.9, Action.WAIT),
        (Observation("", 100.0, restored=100.0), 111.9, Action.WAIT),
        (Observation(None, -inf, restored=100.0), 111.9, Action.WAIT),
        (Observation(ME, 100.0, restored=100.0), 112.0, Action.TAKE),
        (Observation(ME, 100.0, 100.0, restored=100.0), 105.9, Action.RENEW),
        (Observation(ME, 100.0, 100.0), 100.0, Action.RENEW),
        (Observation(ME, 100.0, 100.0), 105.9, Action.RENEW),
        (Observation(ME, 100.0, 100.0), 106.0, Action.LOST),
        (Observation(OTHER, 100.0, 100.0), 100.0, Action.LOST),
        (Observation("", 100.0, 100.0), 100.0, Action.LOST),
        (Observation(None, 100.0, 100.0), 100.0, Action.LOST),
    ],
)
def test_decisions(observation: Observation, now: float, action: Action) -> None:
    assert decide(observation, ME, now, TIMING) is action


def test_a_lost_leader_has_time_to_end() -> None:
    timing = LeaseTiming()
    assert timing.renew_deadline + timing.retry < timing.duration


@virtual
async def test_the_first_leads_at_once_and_says_so() -> None:
    election = Election()
    first = election.candidate("a")
    await pass_time(0.1)
    assert first.leads
    assert election.began == [(0.0, "a")]
    assert election.lease["spec"] == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 12,
        "leaseTransitions": 0,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
    }


@virtual
async def test_a_leader_renews_and_a_standby_looks_on() -> None:
    election = Election()
    first, second = election.candidate("a"), election.candidate("b")
    await pass_time(300.0)
    assert (first.leads, second.leads) == (True, False)
    writes = [time for time, call in election.network.calls if call.verb == "replace"]
    assert 300.0 / LONGEST_PAUSE - 2 <= len(writes) <= 300.0 / TIMING.retry + 2
    assert {call.client for _, call in election.network.calls if call.verb == "replace"} == {"a"}
    assert election.lease["spec"]["leaseTransitions"] == 0
    reads_of_leader = [1 for _, call in election.network.calls if (call.client, call.verb) == ("a", "get")]
    assert len(reads_of_leader) == 1, "a renewal needs no look"


@virtual
async def test_after_a_crash_a_standby_leads_within_a_bound() -> None:
    election = Election()
    first, second = election.candidate("a"), election.candidate("b")
    await pass_time(20.0)
    first.crash()
    await pass_time(30.0)
    assert second.leads
    assert TIMING.duration - LONGEST_PAUSE <= election.takeover_seconds(20.0) <= TIMING.duration + 2 * LONGEST_PAUSE
    assert election.lease["spec"]["holderIdentity"] == "b"
    assert election.lease["spec"]["leaseTransitions"] == 1


@virtual
async def test_a_restarted_container_takes_its_own_lease_back_at_once() -> None:
    election = Election()
    first = election.candidate("a", holder="pod")
    await pass_time(20.0)
    first.crash()
    again = election.candidate("a again", holder="pod")
    await pass_time(0.1)
    assert again.leads
    assert election.lease["spec"]["leaseTransitions"] == 0


@virtual
async def test_operators_that_were_given_no_name_do_not_take_each_others_lease() -> None:
    election = Election()
    names = unique_identity(), unique_identity()
    first, second = (election.candidate(name) for name in names)
    await pass_time(60.0)
    assert (first.leads, second.leads) == (True, False)
    assert (first.is_lost, election.violations) == (False, [])
    assert all(name.startswith(f"{socket.gethostname()}-") for name in names)


@virtual
async def test_a_lease_that_was_given_back_is_taken_at_the_next_look() -> None:
    election = Election()
    first, second = election.candidate("a"), election.candidate("b")
    await pass_time(20.0)
    await first.elector.release()
    assert not first.leads
    assert election.lease["spec"]["holderIdentity"] == ""
    await pass_time(LONGEST_PAUSE)
    assert second.leads
    assert not first.is_lost
    assert not first.task.done()


@virtual
async def test_giving_back_waits_for_a_renewal_that_is_under_way() -> None:
    election = Election()
    first = election.candidate("a")
    await pass_time(0.1)
    under_way = asyncio.Event()

    def back(call: Call) -> float:
        if call.verb == "replace":
            under_way.set()
        return 0.3

    election.network.back = back
    await under_way.wait()
    await first.elector.release()
    assert election.lease["spec"]["holderIdentity"] == ""
    await pass_time(60.0)
    assert election.lease["spec"]["holderIdentity"] == ""
    assert not first.leads
    assert not first.is_lost


@virtual
async def test_giving_back_takes_no_longer_than_a_retry() -> None:
    election = Election()
    first = election.candidate("a")
    await pass_time(20.0)
    election.network.broken.add("a")
    began = asyncio.get_running_loop().time()
    await first.elector.release()
    assert asyncio.get_running_loop().time() - began <= TIMING.retry
    assert not first.leads


@virtual
async def test_a_standby_gives_nothing_back() -> None:
    election = Election()
    election.candidate("a")
    await pass_time(1.0)
    second = election.candidate("b")
    await pass_time(20.0)
    await second.elector.release()
    assert election.lease["spec"]["holderIdentity"] == "a"


@virtual
async def test_a_leader_that_cannot_renew_is_lost_at_its_deadline_and_before_another_leads() -> None:
    election = Election()
    first, second = election.candidate("a"), election.candidate("b")
    await pass_time(20.0)
    last = max(time for time, call in election.network.calls if call.verb == "replace")
    election.network.broken.add("a")
    await pass_time(last + TIMING.renew_deadline - 20.0 - 0.01)
    assert election.leaders == {"a"}
    await pass_time(0.02)
    assert election.leaders == set()
    assert first.is_lost
    assert first.task.done()
    await pass_time(30.0)
    assert second.leads


@virtual
async def test_a_few_renewals_may_be_lost() -> None:
    election = Election()
    first = election.candidate("a")
    await pass_time(20.0)
    failures = [ServerError(500, "", "broken"), ServerError(503, "", "away"), Unanswered("cut")]
    election.network.refuse = lambda _: failures.pop() if failures else None
    await pass_time(60.0)
    assert failures == []
    assert first.leads


@pytest.mark.parametrize("way", ["there", "back"])
def test_one_renewal_may_hang(way: str) -> None:
    @virtual
    async def scenario() -> None:
        election = Election()
        first = election.candidate("a")
        await pass_time(20.0)
        left = [100.0]
        setattr(election.network, way, lambda call: left.pop() if left and call.verb == "replace" else 0.0)
        await pass_time(60.0)
        assert left == []
        assert first.leads
        assert not first.is_lost

    scenario()


@virtual
async def test_an_answer_that_nobody_expects_ends_the_election_and_the_lead() -> None:
    election = Election()
    first = election.candidate("a")
    await pass_time(20.0)
    election.network.refuse = lambda _: KeyError("metadata")
    await pass_time(LONGEST_PAUSE)
    assert isinstance(first.task.exception(), KeyError)
    assert not first.leads


@virtual
async def test_a_leader_whose_lease_another_took_is_lost() -> None:
    election = Election()
    first = election.candidate("a")
    await pass_time(20.0)
    election.server.edit(LEASES, "default", "leader", lambda obj: obj["spec"].update(holderIdentity="z"))
    await pass_time(LONGEST_PAUSE)
    assert first.is_lost
    assert election.lease["spec"]["holderIdentity"] == "z"


@virtual
async def test_a_lease_that_somebody_labels_is_kept() -> None:
    election = Election()
    first = election.candidate("a")
    for number in range(20):
        await pass_time(1.0)
        label = {"metadata": {"labels": {"seen": str(number)}}}
        election.server.store.patch(LEASES, "default", "leader", label)
    assert first.leads


@virtual
async def test_a_deleted_lease_makes_no_second_leader() -> None:
    election = Election()
    first, second = election.candidate("a"), election.candidate("b")
    await pass_time(20.0)
    election.server.store.delete(LEASES, "default", "leader")
    await pass_time(LONGEST_PAUSE)
    assert first.is_lost
    await pass_time(TIMING.duration + LONGEST_PAUSE)
    assert second.leads
    assert election.violations == []


@virtual
async def test_wall_clocks_do_not_matter() -> None:
    election = Election()
    first, second = election.candidate("a"), election.candidate("b")
    for seconds in (3600.0, -7200.0, 86400.0):
        await pass_time(10.0)
        election.clock.jump(seconds)
    await pass_time(10.0)
    assert (first.leads, second.leads, first.is_lost) == (True, False, False)


@virtual
async def test_an_empty_lease_is_free() -> None:
    election = Election()
    election.server.store.create(LEASES, {"metadata": {"name": "leader", "namespace": "default"}})
    first = election.candidate("a")
    await pass_time(0.1)
    assert first.leads
    assert election.lease["spec"]["leaseTransitions"] == 1


@virtual
async def test_a_standby_that_a_restored_lease_names_waits_until_the_leader_has_noticed() -> None:
    election = Election()
    first = election.candidate("a")
    await pass_time(20.0)
    backup = election.server.store.back_up()
    first.crash()
    second = election.candidate("b")
    await pass_time(40.0)
    assert second.leads
    again = election.candidate("a")
    await pass_time(20.0)
    election.server.restore(backup, 0.0)
    await pass_time(TIMING.duration - LONGEST_PAUSE)
    assert (second.is_lost, again.leads) == (True, False)
    await pass_time(3 * LONGEST_PAUSE)
    assert again.leads
    assert election.violations == []


@virtual
async def test_a_leader_that_a_restored_lease_names_keeps_it() -> None:
    election = Election()
    first, second = election.candidate("a"), election.candidate("b")
    await pass_time(20.0)
    backup = election.server.store.back_up()
    await pass_time(20.0)
    election.server.restore(backup, 3.0)
    await pass_time(60.0)
    assert (first.leads, second.leads, election.violations) == (True, False, [])


@virtual
async def test_a_standby_goes_on_while_the_server_is_away() -> None:
    election = Election()
    election.network.refuse = lambda _: Unanswered("away")
    first = election.candidate("a")
    await pass_time(60.0)
    assert len(election.network.calls) > 30
    election.network.refuse = lambda _: None
    await pass_time(LONGEST_PAUSE)
    assert first.leads


MOST_DELAY = 0.6
"""Of a way in one direction, in seconds: a round trip stays far below the deadline of a renewal."""

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.4, 1.1, 3.0, 7.0, 13.0]),
        st.sampled_from(["crash", "crash", "start", "start", "cut", "mend", "late", "lose", "jump", "release"]),
        st.integers(0, 2),
    ),
    max_size=25,
)


class Storm:
    """A handful of processes to which things happen."""

    def __init__(self, seed: int) -> None:
        self.election = Election()
        self.random = Random(seed)
        self.processes: dict[int, Candidate] = {}
        self.starts = 0
        network = self.election.network
        network.there = network.back = lambda _: self.random.random() * MOST_DELAY

    def start(self, slot: int) -> None:
        """Start a process where none runs."""
        if slot not in self.processes or self.processes[slot].task.done():
            self.starts += 1
            self.processes[slot] = self.election.candidate(f"p{slot}-{self.starts}")

    async def happen(self, what: str, slot: int) -> None:
        """Let something happen to a process."""
        self.start(slot)
        process, network = self.processes[slot], self.election.network
        if what == "crash":
            process.crash()
            del self.processes[slot]
        elif what == "cut":
            network.broken.add(process.name)
        elif what == "mend":
            network.broken.clear()
        elif what in ("late", "lose"):
            self._spoil_next(process.name, what)
        elif what == "jump":
            self.election.clock.jump(self.random.uniform(-1e5, 1e5))
        elif what == "release":
            await process.elector.release()
            process.crash()
            self.processes.pop(slot, None)

    def _spoil_next(self, name: str, what: str) -> None:
        left: list[Exception] = [Late(self.random.uniform(0.1, 30.0)) if what == "late" else Unanswered("lost")]
        self.election.network.refuse = lambda call: left.pop() if left and call.client == name else None


@given(EVENTS, st.integers(0, 2**16))
def test_there_are_never_two_leaders_and_one_comes_within_a_bound(
    events: list[tuple[float, str, int]], seed: int
) -> None:
    @virtual
    async def scenario() -> None:
        storm = Storm(seed)
        for pause, what, slot in events:
            await pass_time(pause)
            await storm.happen(what, slot)
        storm.election.network.broken.clear()
        storm.election.network.refuse = lambda _: None
        for slot in (0, 1):
            storm.start(slot)
        # What is still under way may renew a dead leader's Lease once more.
        await pass_time(40.0)
        bound = TIMING.duration + 2 * LONGEST_PAUSE + 6 * MOST_DELAY
        await pass_time(bound)
        for slot in (0, 1):
            storm.start(slot)
        await pass_time(bound)
        assert storm.election.violations == []
        assert len(storm.election.leaders) == 1
        for process in storm.processes.values():
            assert not process.task.done() or process.task.cancelled() or process.task.exception() is None

    scenario()


@given(st.floats(0.0, 60.0), st.integers(0, 2**16))
def test_a_takeover_is_bounded(crash_time: float, seed: int) -> None:
    @virtual
    async def scenario() -> None:
        storm = Storm(seed)
        storm.start(0)
        await pass_time(5.0)
        storm.start(1)
        await pass_time(5.0 + crash_time)
        storm.processes[0].crash()
        crash = asyncio.get_running_loop().time()
        await pass_time(60.0)
        least = TIMING.duration - LONGEST_PAUSE - 2 * MOST_DELAY
        most = TIMING.duration + 2 * LONGEST_PAUSE + 6 * MOST_DELAY
        assert least <= storm.election.takeover_seconds(crash) <= most

    scenario()
