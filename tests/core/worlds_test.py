"""Worlds that cannot be: each planted one is refused, and with a sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from codecourier.core.origin import AbsentOrigin
from codecourier.core.project.places import RunView
from codecourier.core.project.world import ProjectWorld
from codecourier.core.run.world import RunWorld
from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.sandbox.tokens import TokenSecret
from codecourier.core.sandbox.world import SandboxWorld, StrayWorld
from codecourier.core.shared.naming import token_secret_name
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.core.shared.worlds import ImpossibleWorldError, World, check_world
from codecourier.core.sprint_chain.origin import SprintChainOrigin
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.core.workflow.world import WorkflowWorld
from codecourier.kinds.admission import view_run
from codecourier.resources.meta import CustomResource
from codecourier.resources.run import Origin, Run
from tests.support.places import runs_of
from tests.support.runs import admitting, make_sandbox, running
from tests.support.worlds import NOW, make_policy, make_project, make_run, make_sprint_chain, make_workflow

CHAIN = make_sprint_chain()


def sprint_run(name: str = "s1", *, uid: str = CHAIN.uid, kind: str = "SprintChain") -> Run:
    """Return a Run that the chain has made."""
    return make_run(name, origin=Origin(kind=kind, name=CHAIN.name, uid=uid, index=0))


RUN = running()
SANDBOX = make_sandbox(RUN)
POD = PodView(SANDBOX.name, "uid-pod", "Running", "", "", NOW, None, "node", True, (), "")
SECRET = TokenSecret(token_secret_name(SANDBOX.name), "1", None)
PROJECT, WORKFLOW = make_project(), make_workflow()
WORLDS: dict[str, World] = {
    "Run": RunWorld(RUN, PROJECT, WORKFLOW, None, (SANDBOX,)),
    "sprint": RunWorld(sprint_run(), PROJECT, WORKFLOW, SprintChainOrigin(CHAIN)),
    "Sandbox": SandboxWorld(
        SANDBOX, RUN, None, PROJECT, POD, SECRET, PodSettings("courier"), policy=make_policy(PROJECT)
    ),
    "stray": StrayWorld("shop", SANDBOX.name, "uid-gone", POD, SECRET),
    "SprintChain": SprintChainWorld(CHAIN, PROJECT, WORKFLOW, (sprint_run("s1"), sprint_run("s2"))),
    "Project": ProjectWorld(PROJECT, runs_of(make_run("one"), make_run("two")), {WORKFLOW.name: WORKFLOW}),
    "Workflow": WorkflowWorld(WORKFLOW),
}


class OddRuns:
    """Runs of a namespace that no cluster can show."""

    def named(self, _name: str) -> RunView:
        return view_run(RUN.to_json())

    def with_pods(self) -> tuple[RunView, ...]:
        return (self.named(""),) * 2

    def waiting(self, *_needs: object) -> Iterator[RunView]:
        return iter(())

    def next_retry(self, _now: datetime) -> None:
        return None

    def has_older_than(self, _time: datetime) -> bool:
        return False


def changed(obj: CustomResource, **metadata: Any) -> Any:
    """Return an object with other metadata."""
    return obj.updated(metadata=obj.metadata.updated(**metadata))


PLANTED: list[tuple[str, dict[str, Any], str]] = [
    ("Run", {"run": changed(RUN, uid="")}, "Run 'fix' has no UID."),
    ("Run", {"run": changed(RUN, name="")}, "Run '' has no name."),
    ("Run", {"project": changed(PROJECT, namespace="other")}, "is of namespace 'other', not 'shop'."),
    ("Run", {"project": changed(PROJECT, name="second")}, "Project 'second' is not the one that is read, 'default'."),
    ("Run", {"workflow": changed(WORKFLOW, name="another")}, "Workflow 'another' is not the one that is read"),
    ("Run", {"origin": SprintChainOrigin(CHAIN)}, "Run 'fix' names None as its origin"),
    ("Run", {"sandboxes": (SANDBOX, SANDBOX)}, "2 objects are Sandbox"),
    ("Run", {"sandboxes": (changed(SANDBOX, uid=""),)}, "has no UID."),
    ("Run", {"sandboxes": (changed(SANDBOX, uid=RUN.uid),)}, "2 objects have UID 'uid-fix'."),
    ("Run", {"sandboxes": (make_sandbox(changed(RUN, uid="uid-before")),)}, "is not of the Run with UID 'uid-fix'."),
    ("sprint", {"origin": None}, "as its origin, not None."),
    ("sprint", {"origin": SprintChainOrigin(changed(CHAIN, uid="uid-again"))}, "'uid-again')."),
    ("sprint", {"origin": AbsentOrigin("Fixture", CHAIN.name, CHAIN.uid, reports_ends=True)}, "not ('Fixture',"),
    ("Sandbox", {"run": changed(RUN, uid="uid-again")}, "Run 'fix' is not the one with UID 'uid-fix'."),
    ("Sandbox", {"run": changed(RUN, namespace="other")}, "Run 'fix' is of namespace 'other', not 'shop'."),
    (
        "Sandbox",
        {"run": None, "origin": SprintChainOrigin(CHAIN)},
        "What made a Run, or its revision, is known, but not the Run.",
    ),
    ("Sandbox", {"pod": replace(POD, name="another")}, "Pod 'another' is not that of Sandbox"),
    ("Sandbox", {"pod": replace(POD, uid="")}, "has no UID."),
    ("Sandbox", {"secret": replace(SECRET, name="another")}, "Secret 'another' does not hold the tokens"),
    ("Sandbox", {"secret": replace(SECRET, resource_version="")}, "has no resourceVersion."),
    ("stray", {"sandbox_uid": ""}, "What is left was made for no Sandbox."),
    ("stray", {"pod": None, "secret": None}, "Nothing is left of Sandbox"),
    ("stray", {"pod": replace(POD, name="another")}, "Pod 'another' is not that of Sandbox"),
    ("SprintChain", {"runs": (sprint_run(), sprint_run())}, "2 objects are Run 's1'."),
    ("SprintChain", {"runs": (make_run(),)}, "Run 'fix' was not made by the SprintChain with UID 'uid-nightly'."),
    ("SprintChain", {"runs": (sprint_run(uid="uid-before"),)}, "was not made by the SprintChain"),
    ("SprintChain", {"runs": (sprint_run(kind="Fixture"),)}, "was not made by the SprintChain"),
    ("SprintChain", {"workflow": changed(WORKFLOW, name="another")}, "is not the one that is read, 'scripted'."),
    ("Project", {"project": changed(PROJECT, name="second")}, "is not the one that is read, 'default'."),
    ("Project", {"runs": OddRuns()}, "2 Runs have UID 'uid-fix'."),
    ("Project", {"project": admitting(make_run("one")), "runs": OddRuns()}, "Run 'fix' is not the one that is read"),
    ("Project", {"workflows": {"another": WORKFLOW}}, "Workflow 'scripted' is not the one that is read, 'another'."),
    ("Workflow", {"workflow": changed(WORKFLOW, uid="")}, "Workflow 'scripted' has no UID."),
]


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_that_can_be_is_taken(name: str) -> None:
    check_world(WORLDS[name])


@pytest.mark.parametrize(("name", "changes", "said"), PLANTED)
def test_a_world_that_cannot_be_is_refused(name: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ImpossibleWorldError) as raised:
        check_world(replace(WORLDS[name], **changes))
    assert said in str(raised.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    world = RunWorld(changed(RUN, uid=""), changed(PROJECT, name="second"), None, SprintChainOrigin(CHAIN))
    with pytest.raises(ImpossibleWorldError) as raised:
        check_world(world)
    assert str(raised.value).startswith("RunWorld: ")
    assert len(list(world.find_faults())) == 3
