"""The live view of a chain."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from codecourier.kube.api import Json
from codecourier.local.demo.view import Scene, render

CHAIN: Json = {
    "metadata": {"name": "changelog"},
    "status": {
        "phase": "Running",
        "baseBranch": "main",
        "sprints": [
            {"number": 7, "phase": "Completed", "run": "s0", "branch": "courier/s0", "pullRequestNumber": 12},
            {
                "number": 8,
                "phase": "Completed",
                "run": "s1",
                "branch": "courier/s1",
                "pullRequestNumber": 14,
                "pullRequestBase": "courier/s0",
            },
            {"number": 9, "phase": "Pending"},
        ],
    },
}
STEPS = ("checkout", "agent", "verify", "collect", "publish")


def build_notification(type_: str, time: str) -> Json:
    """Return a Notification whose title is its type."""
    return {"metadata": {"name": f"{type_}-{time}"}, "spec": {"type": type_, "title": type_, "eventTime": time}}


def show(notifications: tuple[Json, ...] = ()) -> list[str]:
    """Return the lines of the chain's view in a terminal of 80 columns, each without spaces at its end."""
    sandboxes = [{"metadata": {"name": f"{run}-1"}, "spec": {"runRef": {"name": run}}} for run in ("s0", "s1")]
    ended = [{"name": step, "state": {"terminated": {"exitCode": 0}}} for step in STEPS]
    pods = [{**sandbox, "status": {"initContainerStatuses": ended}} for sandbox in sandboxes]
    console = Console(file=StringIO(), width=80)
    with console.capture() as capture:
        console.print(render(Scene(CHAIN, sandboxes, pods, notifications, ())))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_sprint_is_one_line_that_says_what_its_pull_request_is_stacked_on() -> None:
    assert show()[2:5] == [
        "7       Completed  checkout agent verify collect publish   #12 onto main",
        "8       Completed  checkout agent verify collect publish   #14 onto #12",
        "9       Pending",
    ]


def test_what_follows_from_another_thing_of_the_same_second_is_shown_after_it() -> None:
    lines = show(
        (
            build_notification("WorkflowCompleted", "2026-11-25T03:56:56.401840Z"),
            build_notification("SprintCompleted", "2026-11-25T03:56:56.401840Z"),
            build_notification("PrCreated", "2026-11-25T03:56:56Z"),
            build_notification("SprintFailed", "2026-11-25T03:56:55.900000Z"),
        )
    )
    told = [line.split(":")[0].strip() for line in lines[-4:]]
    assert told == ["SprintFailed", "PrCreated", "SprintCompleted", "WorkflowCompleted"]
