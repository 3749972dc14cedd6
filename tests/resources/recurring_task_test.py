"""RecurringTasks as the API server takes, refuses and shows them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from codecourier.resources.meta import API_VERSION
from codecourier.resources.recurring_task import Frequency
from codecourier.resources.run import RunPhase
from codecourier.zones import find_zone
from tests.core.recurring_task.played import Played, make_task
from tests.resources.api import Api, connect, resources_path
from tests.resources.samples import Json, crds

pytestmark = pytest.mark.cluster

CRD = crds()["RecurringTask"]
SPEC: Json = {
    "frequency": "Daily",
    "timeZone": "UTC",
    "hour": 8,
    "minute": 5,
    "workflowRef": {"name": "scripted"},
    "prompt": "Audit it.",
}
ZONE = "must be the name of an IANA time zone, such as Europe/Berlin or UTC"
NAME = "should match '^[A-Za-z]"
REFUSED: tuple[tuple[Json, str, str], ...] = (
    ({"timeZone": ""}, "spec.timeZone", NAME),
    ({"timeZone": "Local"}, "spec.timeZone", ZONE),
    ({"timeZone": "+01:00"}, "spec.timeZone", NAME),
    ({"timeZone": "01:00"}, "spec.timeZone", NAME),
    ({"timeZone": " UTC"}, "spec.timeZone", NAME),
    ({"timeZone": "Europe/Berlin\n"}, "spec.timeZone", NAME),
    ({"timeZone": "../etc/passwd"}, "spec.timeZone", NAME),
    ({"timeZone": "Mars/Olympus"}, "spec.timeZone", ZONE),
    ({"timeZone": "GMT+25"}, "spec.timeZone", ZONE),
    ({"timeZone": "x" * 33}, "spec.timeZone", "may not be more than 32 bytes"),
    ({"hour": 24}, "spec.hour", "should be less than or equal to 23"),
    ({"hour": -1}, "spec.hour", "should be greater than or equal to 0"),
    ({"hour": "8"}, "spec.hour", "must be of type integer"),
    ({"hour": 8.5}, "spec.hour", "must be of type int32"),
    ({"minute": 60}, "spec.minute", "should be less than or equal to 59"),
    ({"frequency": "daily"}, "spec.frequency", 'supported values: "Daily"'),
    ({"frequency": "Monthly", "dayOfMonth": 0}, "spec.dayOfMonth", "should be greater than or equal to 1"),
    ({"frequency": "Monthly", "dayOfMonth": 32}, "spec.dayOfMonth", "should be less than or equal to 31"),
    ({"dayOfMonth": 1}, "spec.dayOfMonth", "dayOfMonth is for frequency Monthly"),
    ({"dayOfWeek": 1}, "spec.dayOfWeek", "dayOfWeek is for frequency Weekly or Biweekly"),
    ({"startDate": ""}, "spec.startDate", "must be of type date"),
    ({"startDate": "2026-02-30"}, "spec.startDate", "must be of type date"),
    ({"startDate": "2026-01-01T00:00:00Z"}, "spec.startDate", "must be of type date"),
    ({"startDate": "0000-01-01"}, "spec.startDate", "must be a day of the years 2000 to 2999"),
    ({"startDate": "9999-12-31"}, "spec.startDate", "must be a day of the years 2000 to 2999"),
    ({"startingDeadlineSeconds": 0}, "spec.startingDeadlineSeconds", "should be greater than or equal to 10"),
    ({"startingDeadlineSeconds": 86_401}, "spec.startingDeadlineSeconds", "should be less than or equal to 86400"),
    ({"jitterSeconds": 3601}, "spec.jitterSeconds", "should be less than or equal to 3600"),
    ({"prompt": ""}, "spec.prompt", "should be at least 1 chars long"),
)

AGE = re.compile(r"([0-9]+[ydhms])+")
"""How `kubectl` shows how long ago a time was."""

SUSPECT = (
    "posixrules",
    "right/UTC",
    "posix/UTC",
    "Factory",
    "localtime",
    "Etc//UTC",
    "US/Pacific-New",
    "europe/berlin",
)
"""Zones that some machines' files have, so that an API server takes them there."""


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[Api]:
    async with connect(kubeconfig) as connected:
        yield connected


def manifest(name: str = "audit", **spec: Any) -> Json:
    return {"apiVersion": API_VERSION, "kind": "RecurringTask", "metadata": {"name": name}, "spec": {**SPEC, **spec}}


async def test_what_is_wrong_is_refused_at_its_field(api: Api) -> None:
    async with api.namespace() as namespace:
        path = resources_path(CRD, namespace)
        assert (await api.ask("POST", path, manifest(), dryRun="All")).code == 201
        for spec, field, words in REFUSED:
            answer = await api.ask("POST", path, manifest(**spec), dryRun="All")
            assert answer.code == 422, (spec, answer.body)
            assert any(where == field and words in message for where, message in answer.causes), (spec, answer.causes)


async def test_each_field_of_the_schedule_can_be_changed_and_a_wrong_change_is_refused(api: Api) -> None:
    async with api.namespace() as namespace:
        path = resources_path(CRD, namespace)
        made = (await api.ask("POST", path, manifest())).body
        for changes in (
            {"hour": 9},
            {"minute": 0},
            {"timeZone": "Africa/Casablanca"},
            {"startDate": "2026-03-29"},
            {"frequency": "Biweekly"},
            {"dayOfWeek": 7},
            {"frequency": "Monthly", "dayOfWeek": None},
            {"dayOfMonth": 31},
            {"frequency": "EveryOtherDay", "dayOfMonth": None},
        ):
            kept = {name: value for name, value in {**made["spec"], **changes}.items() if value is not None}
            answer = await api.ask("PUT", f"{path}/audit", {**made, "spec": kept})
            assert answer.code == 200, (changes, answer.body)
            made = answer.body
        for spec, field, _ in REFUSED:
            answer = await api.ask("PUT", f"{path}/audit", {**made, "spec": {**made["spec"], **spec}}, dryRun="All")
            assert answer.code == 422, (spec, answer.body)
            assert field in [where for where, _ in answer.causes]


async def test_a_zone_that_only_the_api_server_knows_fires_nothing_and_is_named(api: Api) -> None:
    async with api.namespace() as namespace:
        path = resources_path(CRD, namespace)
        for zone in SUSPECT:
            assert find_zone(zone) is None
            answer = await api.ask("POST", path, manifest(timeZone=zone), dryRun="All")
            assert answer.code in (201, 422)
            played = Played(make_task(time_zone=zone))
            played.rest()
            ready = played.status.condition("Ready")
            assert ready is not None
            assert (ready.reason, played.status.next_run_time) == ("TimeZoneUnknown", None)
            assert f"has no time zone '{zone}'" in ready.message
            assert "Name another one in spec.timeZone" in ready.message


def kubectl(kubeconfig: Path, home: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    command = ["kubectl", "--kubeconfig", str(kubeconfig), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment).stdout


def fire(played: Played, result: RunPhase) -> Played:
    played.rest()
    time = played.status.next_run_time
    assert time is not None
    played.pass_time(time)
    played.end(played.made[-1], result)
    played.rest()
    return played


def rested(played: Played) -> Played:
    played.rest()
    return played


def tasks() -> dict[str, Played]:
    """Return a task in each state."""
    weekly = make_task(time_zone="America/Chicago", hour=8, minute=5, frequency=Frequency.WEEKLY)
    return {
        "audit": rested(Played(make_task(suspend=True))),
        "bundle-size": fire(Played(weekly), RunPhase.COMPLETED),
        "flaky": fire(Played(make_task(pause_after_failures=1)), RunPhase.FAILED),
        "update": rested(Played(make_task(frequency=Frequency.MONTHLY, day_of_month=31), workflow=None)),
    }


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
async def test_kubectl_shows_a_timetable(api: Api, kubeconfig: Path, tmp_path: Path) -> None:
    async with api.namespace() as namespace:
        path = resources_path(CRD, namespace)
        for name, played in tasks().items():
            body = played.task.model_dump(mode="json", by_alias=True, exclude_none=True)
            made = (await api.ask("POST", path, {**body, "metadata": {"name": name}})).body
            answer = await api.ask("PUT", f"{path}/{name}/status", {**made, "status": body["status"]})
            assert answer.code == 200, answer.body
        lines = kubectl(kubeconfig, tmp_path, "get", "recurringtask", "-n", namespace).splitlines()
        wide = kubectl(kubeconfig, tmp_path, "get", "ccrt", "-o", "wide", "-n", namespace)
        described = kubectl(kubeconfig, tmp_path, "describe", "ccrt", "bundle-size", "-n", namespace)
    shown = [
        [cell.strip() for cell in line.split("  ") if cell.strip() and not AGE.fullmatch(cell.strip())]
        for line in lines
    ]
    assert shown == [
        ["NAME", "FREQUENCY", "AT", "ZONE", "STATE", "NEXT", "LAST", "RESULT"],
        ["audit", "Daily", "12:30", "UTC", "Suspended"],
        ["bundle-size", "Weekly", "Sunday 08:05", "America/Chicago", "Active", "Sun 2026-03-08 08:05", "Completed"],
        ["flaky", "Daily", "12:30", "UTC", "Paused", "Failed"],
        ["update", "Monthly", "day 31 12:30", "UTC", "Pending"],
    ]
    assert "The task is suspended; its slots fire once spec.suspend is false again." in wide
    assert "The task is paused because its last Run failed. Fix the cause" in wide
    assert "The namespace has no Workflow 'scripted'. Create it, or name another one." in wide
    assert "The next slot is 2026-03-08 08:05 (America/Chicago)." in described
    assert "Slot 2026-03-01 08:05 (America/Chicago) fires Run audit-2452230c-20260301t140500." in described
