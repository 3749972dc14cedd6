"""The live view of merges, and when the demonstration counts as a success."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from codecourier.kube.api import Json
from codecourier.local.demo.merge_play import find_disappointment
from codecourier.local.demo.merge_stage import CAREFUL, LAZY
from codecourier.local.demo.merge_view import MergeScene, render_merges

STEPS = ("checkout", "agent", "verify", "collect", "publish")


def build_job(name: str, results: str, phase: str = "Completed") -> Json:
    """Return a MergeJob of pull requests with these results, whose Runs are `NAME-0` and `NAME-1`."""
    sources = [
        {"number": number, "title": f"Change {number}", "result": result}
        for number, result in enumerate(results.split(), 1)
    ]
    sources[-1]["attempts"] = 1
    steps = [
        {"index": 0, "run": f"{name}-0", "numbers": [1, 2, 3], "phase": "Failed"},
        {"index": 1, "run": f"{name}-1", "numbers": [1, 2], "phase": "Completed"},
    ]
    status = {"phase": phase, "message": "It is so.", "sources": sources, "steps": steps}
    return {"metadata": {"name": name}, "spec": {"workflowRef": {"name": "work"}}, "status": status}


def build_scene(*jobs: Json) -> MergeScene:
    """Return a scene in which the pod of the first step of the first MergeJob failed in verify."""
    run = f"{jobs[0]['metadata']['name']}-0"
    sandbox = {"metadata": {"name": f"{run}-1"}, "spec": {"runRef": {"name": run}}}
    states = [{"name": step, "state": {"terminated": {"exitCode": int(step == "verify")}}} for step in STEPS]
    return MergeScene(jobs, [sandbox], [{**sandbox, "status": {"initContainerStatuses": states}}], (), ())


def test_it_shows_each_pull_request_with_what_became_of_it_and_the_pods_of_each_step() -> None:
    console = Console(file=StringIO(), width=80)
    with console.capture() as capture:
        console.print(render_merges(build_scene(build_job("release", "Clean Clean Excluded"))))
    assert [line.rstrip() for line in capture.get().splitlines()] == [
        "MergeJob release with Workflow work  Completed  It is so.",
        "PULL REQUEST  RESULT    AGENT TRIED",
        "#1 Change 1   Clean",
        "#2 Change 2   Clean",
        "#3 Change 3   Excluded            1",
        "  #1 #2 #3: checkout agent verify collect publish Failed",
        "  #1 #2: Completed",
        "",
        "Used so far: 0 s of sandbox, 0 tokens, 0.0000 USD",
    ]


@pytest.mark.parametrize(
    ("careful", "lazy", "phase", "words"),
    [
        ("Clean Clean Resolved", "Clean Clean Excluded", "Completed", None),
        ("Clean Clean Excluded", "Clean Clean Excluded", "Completed", f"MergeJob {CAREFUL} is Completed with"),
        ("Clean Clean Resolved", "Clean Clean Resolved", "Completed", f"MergeJob {LAZY} is Completed with"),
        ("Clean Clean Resolved", "Clean Clean Excluded", "Failed", f"MergeJob {CAREFUL} is Failed with"),
        ("Clean Clean Resolved", "Clean Clean Excluded", "Running", "The merges are left unfinished"),
    ],
)
def test_it_counts_as_a_success_only_if_one_conflict_was_resolved_and_the_other_result_refused(
    careful: str, lazy: str, phase: str, words: str | None
) -> None:
    problem = find_disappointment(build_scene(build_job(CAREFUL, careful, phase), build_job(LAZY, lazy)))
    assert (problem or "").startswith(words or "")
    assert (problem is None) is (words is None)
