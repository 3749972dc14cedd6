"""What kinds read of Secrets that users make: their versions, and whether their changes are watched."""

from __future__ import annotations

from codecourier.core.shared.consent import SecretMetadata
from codecourier.core.shared.facts import RepositoryAccess
from codecourier.core.shared.naming import LABEL_AGENT_READABLE, LABEL_REPOSITORY_CREDENTIAL
from codecourier.core.shared.repositories import find_access
from codecourier.kinds.project import PROJECT
from codecourier.kinds.registry import REGISTRY
from codecourier.kinds.run import RUN
from codecourier.kinds.sources import AGENT_SECRET_SOURCE, CREDENTIAL_SOURCE, PROJECT_SOURCE, WORKFLOW_SOURCE
from codecourier.kinds.workflow import WORKFLOW
from codecourier.kube.api import SECRETS
from tests.simulation.clock import virtual
from tests.simulation.forge import URL
from tests.support.desk import NAMESPACE, Desk
from tests.support.views import world_of

CREDENTIALS = CREDENTIAL_SOURCE.resource


def test_each_watch_reads_identities_of_what_one_label_selects() -> None:
    for source, label in (
        (CREDENTIAL_SOURCE, LABEL_REPOSITORY_CREDENTIAL),
        (AGENT_SECRET_SOURCE, LABEL_AGENT_READABLE),
    ):
        assert (source.resource.whole, source.resource.identity_selector) == (SECRETS, f"{label}=true")
        assert (source.label_selector, source.is_optional) == (None, True)
        assert SecretMetadata("a", labels=dict([source.resource.identity_selector.split("=")])).has(label)
    optional = {kind.source.resource for kind in REGISTRY.cached if kind.source.is_optional}
    assert optional == {CREDENTIALS, AGENT_SECRET_SOURCE.resource}
    assert REGISTRY.resource("Secret") == SECRETS


@virtual
async def test_the_caches_hold_the_labelled_ones_and_none_of_their_content() -> None:
    desk = Desk()
    desk.make_secret("token")
    desk.make_secret("model", {LABEL_AGENT_READABLE: "true"})
    desk.make_secret("private", {})
    desk.refresh()
    for source, name in ((CREDENTIAL_SOURCE, "token"), (AGENT_SECRET_SOURCE, "model")):
        (kept,) = desk.store.cache(source.resource)
        assert set(kept) == {"apiVersion", "kind", "metadata"}
        assert set(kept["metadata"]) == {"name", "namespace", "uid", "resourceVersion"}
        assert kept["metadata"]["name"] == name


@virtual
async def test_how_a_repository_is_reached_says_with_which_version_of_its_secret() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_workflow()
    desk.make_run()
    desk.refresh()

    def access() -> RepositoryAccess:
        obj = desk.store.raw(PROJECT_SOURCE.resource, NAMESPACE, "default")
        assert obj is not None
        project = desk.store.read(PROJECT_SOURCE, obj)
        world = world_of(desk.store, PROJECT, project)
        _, run = desk.run()
        of_run = find_access(project, NAMESPACE, URL, world_of(desk.store, RUN, run).credentials)
        found = find_access(project, NAMESPACE, URL, world.credentials)
        assert isinstance(found, RepositoryAccess)
        assert found == of_run
        return found

    seen = [access()]
    desk.make_secret()
    desk.refresh()
    seen.append(access())
    for _ in range(2):
        desk.server.store.delete(SECRETS, NAMESPACE, "token")
        desk.refresh()
        seen.append(access())
        made = desk.make_secret()
        desk.refresh()
        seen.append(access())
        assert seen[-1].secret_version == made["metadata"]["resourceVersion"]
    assert seen[0].secret_version is None
    assert len({found.secret_version for found in seen}) == len(seen) == 6, "also each absence is one of its own"


@virtual
async def test_a_plan_knows_whether_the_secrets_are_watched() -> None:
    desk = Desk()
    desk.make_workflow()
    desk.refresh()
    obj = desk.store.raw(WORKFLOW_SOURCE.resource, NAMESPACE, "scripted")
    assert obj is not None
    workflow = desk.store.read(WORKFLOW_SOURCE, obj)
    assert not world_of(desk.store, WORKFLOW, workflow).agent_secrets.is_followed
    desk.store.cache(AGENT_SECRET_SOURCE.resource).is_followed = True
    assert world_of(desk.store, WORKFLOW, workflow).agent_secrets.is_followed
