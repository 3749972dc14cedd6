"""Pods whose Sandbox is not there."""

from __future__ import annotations

from dataclasses import replace

from codecourier.core.facts import SandboxAsk, SandboxFact
from codecourier.core.intents import Delete, ReleasePod
from codecourier.core.pod_view import PodView
from codecourier.core.stray_pod import StrayPodWorld, plan_stray_pod
from tests.support.worlds import NOW

POD = PodView("fix-1", "uid-pod", "Running", "", "", NOW, None, "node", True, (), "")
ASK = SandboxAsk("shop", "fix-1")
WORLD = StrayPodWorld("shop", POD, "uid-sandbox")


def test_the_api_server_is_asked_before_a_pod_is_taken_for_stray() -> None:
    assert plan_stray_pod(WORLD, NOW).asks == (ASK,)
    there = replace(WORLD, facts={ASK: SandboxFact("uid-sandbox")})
    assert plan_stray_pod(there, NOW).deletes == ()


def test_a_pod_without_its_sandbox_is_deleted_and_released() -> None:
    for uid in (None, "uid-of-a-later-one"):
        gone = replace(WORLD, facts={ASK: SandboxFact(uid)})
        assert [type(d) for d in plan_stray_pod(gone, NOW).deletes] == [Delete, ReleasePod]


def test_a_pod_that_is_being_deleted_is_only_released() -> None:
    deleted = replace(WORLD, pod=replace(POD, deletion_time=NOW), facts={ASK: SandboxFact(None)})
    assert [type(d) for d in plan_stray_pod(deleted, NOW).deletes] == [ReleasePod]
