"""What retention reads: the same however objects came to be as they are, at a cost that their number does not raise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from sys import setprofile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecourier.kinds.api_resources import RUNS
from codecourier.kinds.kept_views import days_of_run, view_run
from codecourier.resources.run import Origin, PullRequest, PullRequestPhase, Run, RunPhase, Try
from codecourier.resources.sandbox import SandboxPhase
from tests.support.kept import DAY, Shop, ended_run, make_notification, make_usage_record, trashed
from tests.support.worlds import NOW, make_run, make_sprint_chain, queued


def with_pull_request(run: Run) -> Run:
    pull_request = PullRequest(phase=PullRequestPhase.CREATED)
    return run.updated(status=run.status.updated(pull_request=pull_request))


def of_a_chain(run: Run) -> Run:
    origin = Origin(kind="SprintChain", name="nightly", uid="uid-nightly", index=0)
    return run.updated(spec=run.spec.updated(origin=origin))


CROWDS: dict[str, Callable[[int], Any]] = {
    "with pull requests": lambda n: with_pull_request(ended_run(f"r{n}", NOW - 200 * DAY)),
    "young": lambda n: ended_run(f"r{n}", NOW - DAY - timedelta(seconds=n)),
    "of an unfinished chain": lambda n: of_a_chain(ended_run(f"r{n}", NOW - 200 * DAY)),
    "unfinished": lambda n: queued(make_run(f"r{n}", age_seconds=86_400)),
    "young in the trash": lambda n: trashed(ended_run(f"r{n}", NOW - DAY), NOW - DAY),
    "young Notifications": lambda n: make_notification(f"r{n}", NOW - DAY, make_run()),
    "young UsageRecords": lambda n: make_usage_record(f"r{n}", NOW - DAY),
}


def steps(work: Callable[[], object]) -> int:
    """Return how many functions some work calls."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    setprofile(count)
    try:
        work()
    finally:
        setprofile(None)
    return calls


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_look_costs_the_same_among_ten_times_as_many(crowd: str) -> None:
    costs = []
    for count in (50, 500):
        shop = Shop()
        shop.put(make_sprint_chain(), *(CROWDS[crowd](number) for number in range(count)))
        shop.wait(timedelta(hours=2))
        shop.look()
        costs.append(steps(shop.look))
    assert costs[1] <= 1.2 * costs[0], costs


def test_a_try_keeps_a_day_open_until_it_is_recorded() -> None:
    day = NOW - 3 * DAY
    entry = Try(number=1, sandbox="s", claim_time=day, phase=SandboxPhase.RUNNING)
    running = queued(make_run(), phase=RunPhase.RUNNING, tries=(entry,))
    assert view_run(running.to_json()).open_day == day.date()
    over = entry.updated(phase=SandboxPhase.FAILED, start_time=day, finish_time=day + DAY)
    owing = ended_run("fix", NOW, tries=(over,))
    assert view_run(owing.to_json()).open_day == (day + DAY).date()
    paid = owing.updated(status=owing.status.updated(tries=(over.updated(is_recorded=True),)))
    assert view_run(paid.to_json()).open_day is None
    never_ran = owing.updated(status=owing.status.updated(tries=(over.updated(start_time=None),)))
    assert view_run(never_ran.to_json()).open_day is None


def test_the_end_of_an_attempt_counts_until_the_next_one_begins() -> None:
    run = ended_run("fix", NOW, seconds=2 * 86_400)
    assert days_of_run(run.to_json()) == ((NOW - 2 * DAY).date(), NOW.date())
    again = run.updated(status=run.status.updated(phase=RunPhase.PENDING))
    assert days_of_run(again.to_json()) == ((NOW - 2 * DAY).date(),)


CHANGES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["end", "later", "pull", "queue", "trash", "chain", "drop", "look"])),
    max_size=30,
)


@settings(deadline=None)
@given(CHANGES)
def test_the_shelves_say_what_fresh_ones_say(changes: list[tuple[int, str]]) -> None:
    """However Runs came to be as they are, retention reads the same of them, also while some are put back."""
    shop = Shop(runs={"maxCount": 2})
    shop.put(make_sprint_chain())
    for serial, (number, what) in enumerate(changes):
        old = ended_run(f"r{number}", NOW - (5 + number) * DAY)
        if what == "look":
            list(shop.kept().oldest("Run", 2, shop.now))
            continue
        if what == "drop":
            known = shop.store.raw(RUNS, "shop", old.name)
            if known is not None:
                shop.store.cache(RUNS).note_delete("shop", old.name, known["metadata"]["uid"])
            continue
        known = shop.store.raw(RUNS, "shop", old.name)
        uid = known["metadata"]["uid"] if known is not None else f"uid-{serial}"
        change: dict[str, Callable[[Run], Run]] = {
            "later": lambda run: run.updated(status=run.status.updated(finish_time=NOW - DAY)),
            "pull": with_pull_request,
            "queue": lambda run: run.updated(status=run.status.updated(phase=RunPhase.QUEUED, finish_time=None)),
            "trash": lambda run: trashed(run, NOW - DAY),
            "chain": of_a_chain,
            "end": lambda run: run,
        }
        changed = change[what](old)
        shop.put(changed.updated(metadata=changed.metadata.updated(uid=uid)))
    fresh = Shop()
    fresh.put(make_sprint_chain())
    for obj in shop.store.cache(RUNS):
        fresh.store.cache(RUNS).apply(obj)
    later = NOW + timedelta(hours=1)
    assert shop.kept().first_unsealed_day(NOW.date()) == fresh.kept().first_unsealed_day(NOW.date())
    assert shop.kept().is_empty is fresh.kept().is_empty
    assert list(shop.kept().oldest("Run", 2, later)) == list(fresh.kept().oldest("Run", 2, later))
    assert list(shop.kept().trashed(later)) == list(fresh.kept().trashed(later))
