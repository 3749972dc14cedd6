"""Workflow files: who may change them, and what the host says to those who may not."""

from __future__ import annotations

import pytest

from codecourier.checks import MergeStrategy
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import AppInstallation, RepositoryRef
from codecourier.github.errors import CredentialsRefused
from codecourier.github.needs import WorkflowsForbidden
from codecourier.github.operations.create_branch import CreateBranch
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.get_workflow_right import GetWorkflowRight
from codecourier.github.operations.merge_pull_request import MergeProgress, MergePullRequest
from codecourier.github.operations.mint_token_pair import MintTokenPair
from tests.github.conftest import PERMISSIONS, Place, assert_no_credential

pytestmark = pytest.mark.forge

CI = ".github/workflows/ci.yml"


def with_right(place: Place) -> RepositoryRef:
    """Return the repository with an installation that may change workflow files."""
    permissions = {**PERMISSIONS, "workflows": "write"}
    number = place.control.install_app(place.name.partition("/")[0], permissions)  # type: ignore[arg-type]
    app = place.app
    return RepositoryRef(place.url, AppInstallation(app.app_id, app.private_key, number, app.host))


def change_workflow(place: Place, *, keeps_branch: bool = True) -> str:
    """Put a commit that changes a workflow file on the forge and return it; no branch may lead to it any more."""
    assert place.create_ref(place.personal(), "ci") == 201
    sha = place.control.commit(place.name, "ci", {CI: "on: push\n"}, message="Change CI")
    if not keeps_branch:
        assert place.ask("DELETE", "/git/refs/heads/ci", place.personal(), {}).status_code == 204
    return sha


async def test_an_app_with_the_permission_may(forge: GitHubForge, place: Place) -> None:
    account = f"{place.name.partition('/')[0]}-ci"
    made = place.control.create_repository(f"{account}/shop", {"README.md": "shop\n"})
    other = Place(place.control, made.full_name, made.id, made.sha, 0)
    assert await forge.do(with_right(other), GetWorkflowRight()) is True


async def test_an_app_without_the_permission_may_not(forge: GitHubForge, place: Place) -> None:
    assert await forge.do(place.by_app, GetWorkflowRight()) is False


async def test_nothing_shows_what_a_personal_token_may(forge: GitHubForge, place: Place) -> None:
    assert await forge.do(place.by_token(place.personal()), GetWorkflowRight()) is None


async def test_another_installation_of_the_repository_says_nothing(forge: GitHubForge, place: Place) -> None:
    app = place.app
    other = AppInstallation(app.app_id, app.private_key, app.installation_id + 1000, app.host)
    assert await forge.do(RepositoryRef(place.url, other), GetWorkflowRight()) is None


@pytest.mark.parametrize(("with_workflows", "status"), [(True, 201), (False, 403)])
async def test_the_token_for_pushes_has_the_permission_only_if_it_is_asked_for(
    forge: GitHubForge, place: Place, *, with_workflows: bool, status: int
) -> None:
    sha = change_workflow(place, keeps_branch=False)
    pair = await forge.do(with_right(place), MintTokenPair(with_workflows))
    body = {"ref": "refs/heads/release", "sha": sha}
    assert place.ask("POST", "/git/refs", pair.read.reveal(), body).status_code == 403
    assert place.ask("POST", "/git/refs", pair.write.reveal(), body).status_code == status


async def test_an_app_without_the_permission_is_given_no_such_token(forge: GitHubForge, place: Place) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        await forge.do(place.by_app, MintTokenPair(with_workflows=True))
    assert_no_credential(caught.value)


@pytest.mark.parametrize("has_async", [True, False])
async def test_a_merge_that_changes_workflow_files_is_refused_by_its_own_word(
    forge: GitHubForge, place: Place, *, has_async: bool
) -> None:
    place.control.set_merging(place.name, has_async_merges=has_async)
    head = change_workflow(place)
    await forge.do(place.by_app, CreatePullRequest("Change CI", "It does.\n", "ci", "main", is_draft=False))
    with pytest.raises(WorkflowsForbidden):
        await forge.do(place.by_app, MergePullRequest(1, head, MergeStrategy.SQUASH))
    merge = MergePullRequest(1, head, MergeStrategy.SQUASH, with_workflows=True)
    assert (await forge.do(with_right(place), merge)).progress is MergeProgress.MERGED


async def test_a_branch_that_changes_workflow_files_needs_the_permission(forge: GitHubForge, place: Place) -> None:
    head = change_workflow(place, keeps_branch=False)
    with pytest.raises(WorkflowsForbidden):
        await forge.do(place.by_app, CreateBranch("release", head))
    await forge.do(with_right(place), CreateBranch("release", head, with_workflows=True))
