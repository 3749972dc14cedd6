"""What a Workflow says of itself: its template, and the Secrets that its agents need."""

from __future__ import annotations

from dataclasses import replace

from codecourier.core.shared.facts import AgentSecretsAsk, AgentSecretsFact, Facts, UnreadableSecret
from codecourier.core.shared.grace import GRACE, LOOK_LATER, LOOK_SOON
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import Reason
from codecourier.core.workflow.world import WorkflowWorld
from codecourier.resources.meta import Condition
from codecourier.resources.workflow import SecretKeyReference, SecretVariable, Workflow, WorkflowStatus
from tests.support.plans import plan_workflow
from tests.support.worlds import NOW, make_workflow

VARIABLE = SecretVariable(name="API_KEY", secret_key_ref=SecretKeyReference(name="model", key="apikey"))
ASK = AgentSecretsAsk("shop", (("model", "apikey"),))
MISSING = UnreadableSecret("model", "apikey", "it has no key 'apikey'; it has: api-key.")
CREATED = NOW


def make(**spec: object) -> Workflow:
    found = make_workflow(**spec)
    return found.updated(metadata=found.metadata.updated(creation_timestamp=CREATED))


def ready_of(plan: Plan) -> Condition:
    assert isinstance(plan.status, WorkflowStatus)
    condition = plan.status.condition("Ready")
    assert condition is not None
    return condition


def test_a_workflow_without_secrets_asks_nothing() -> None:
    plan = plan_workflow(WorkflowWorld(make()), NOW)
    assert (ready_of(plan).status, plan.look_again) == ("True", None)


def test_a_secret_that_agents_cannot_read_is_named_with_what_it_has() -> None:
    world = WorkflowWorld(make(secret_env=(VARIABLE,)))
    assert plan_workflow(world, NOW).asks == (ASK,)
    known = replace(world, facts=Facts({ASK: AgentSecretsFact((MISSING,))}))
    plan = plan_workflow(known, NOW)
    assert (ready_of(plan).status, ready_of(plan).reason) == ("False", Reason.SECRET_NOT_READABLE)
    assert ready_of(plan).message.endswith("it has no key 'apikey'; it has: api-key.")
    assert plan.status is not None
    assert plan.status.condition("Stalled") is None, "GitOps may apply the Secret after it"
    assert plan.look_again == NOW + LOOK_SOON
    later = plan_workflow(known, CREATED + GRACE)
    assert later.status is not None
    assert later.status.condition("Stalled") is not None
    assert later.look_again == CREATED + GRACE + LOOK_LATER


def test_it_is_ready_once_its_secrets_are() -> None:
    world = WorkflowWorld(make(secret_env=(VARIABLE,)), facts=Facts({ASK: AgentSecretsFact()}))
    assert ready_of(plan_workflow(world, NOW)).status == "True"


def test_a_template_that_cannot_be_used_is_stalled_at_once() -> None:
    plan = plan_workflow(WorkflowWorld(make(prompt_template="{{ promptt }}")), NOW)
    assert ready_of(plan).reason == Reason.TEMPLATE_INVALID
    assert plan.status is not None
    assert plan.status.condition("Stalled") is not None
