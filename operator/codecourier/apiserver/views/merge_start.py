"""The start of a combine in the REST API: the body, all that is wrong with it, and what is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field

from codecourier.address import (
    PULL_REQUEST_ADDRESS_MAX_LENGTH,
    PULL_REQUEST_FORM,
    split_address,
    split_pull_request_address,
)
from codecourier.apiserver.bodies import Body, BranchText, PromptText, Text, absent
from codecourier.apiserver.ids import WORKFLOW_ID, WorkflowName, parse_id
from codecourier.apiserver.refusal import Detail
from codecourier.core.shared.consent import RepositoryKey, repository_key
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.repositories import find_named_repository
from codecourier.kube.api import Json
from codecourier.resources.merge_job import MOST_SOURCES, MergeMode
from codecourier.resources.project import Project

__all__ = [
    "NAMES",
    "MergeStart",
    "PullRequestAddress",
    "address_of",
    "build_combine_spec",
    "find_source_problems",
    "find_workflow",
    "read_address",
]

NAMES = {
    "workflowRef.name": "config.workflowId",
    "branchName": "config.branchName",
    "title": "config.title",
    "prompt": "config.prompt",
    "maxAttempts": "config.maxAttempts",
    "closeSources": "config.closeSources",
}
"""Names in the REST API of those fields of the spec that are called otherwise there."""


class PullRequestAddress(NamedTuple):
    """Which pull request an address names, however it is spelled."""

    repository: RepositoryKey
    number: int


def read_address(url: str) -> PullRequestAddress:
    """Return the pull request that an address names; a slash at its end says nothing.

    Raises
    ------
    ValueError
        If it names none.
    """
    repository, number = split_pull_request_address(url.rstrip("/"))
    return PullRequestAddress(repository_key(repository), number)


def _check_address(url: str) -> str:
    try:
        read_address(url)
    except ValueError:
        raise ValueError(f"must be {PULL_REQUEST_FORM}") from None
    return url


class SourceBody(Body):
    """A pull request to merge."""

    pr_url: Annotated[Text, Field(max_length=PULL_REQUEST_ADDRESS_MAX_LENGTH + 1), AfterValidator(_check_address)]
    """Its address, such as `https://github.com/org/repo/pull/1`."""

    pr_number: Annotated[int, Field(ge=1, le=2**53)] = Field(default_factory=absent)
    """Its number, which must be that of `prUrl`."""


class MergeConfig(Body):
    """How pull requests are merged."""

    workflow_id: WorkflowName | None = None
    """Workflow that resolves conflicts and tries the result; null: the one that the project has for merges."""

    branch_name: BranchText | None = None
    """Branch of the new pull request; null: one named after the merge."""

    title: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    """Title of the new pull request, 1 to 200 characters; null: one that counts the pull requests."""

    prompt: PromptText | None = None
    """What the agent is told beside the conflict that it has to resolve, up to 65,536 bytes; null: nothing."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] | None = None
    """How often the agent may try to resolve the conflicts of one pull request, 1 to 10; null: 2."""

    close_sources: bool = False
    """Whether the merged pull requests are closed once the new one is merged."""


class MergeStart(Body):
    """The merge of many pull requests into one."""

    pull_requests: Annotated[list[SourceBody], Field(min_length=1, max_length=MOST_SOURCES)]
    """The pull requests in the order in which they are merged, 1 to 50 of one repository of the project."""

    base_branch: BranchText | None = None
    """Branch to merge into; null: the one that all pull requests are for."""

    config: MergeConfig = Field(default_factory=MergeConfig)
    """Settings of the merge."""


def _addresses(raw: Any) -> Iterator[tuple[int, Any, PullRequestAddress, str]]:
    """Yield index, number, pull request and repository of each entry that names a pull request."""
    entries = raw.get("pullRequests") if isinstance(raw, dict) else None
    # A longer list is refused as such; what is beyond costs no time and no further sentence.
    for index, entry in enumerate(entries[:MOST_SOURCES] if isinstance(entries, list) else ()):
        url = entry.get("prUrl") if isinstance(entry, dict) else None
        if not isinstance(url, str):
            continue
        try:
            found = read_address(url)
        except ValueError:
            continue
        yield index, entry.get("prNumber"), found, url.rpartition("/pull/")[0]


_FOREIGN = "The project has no such repository. Name pull requests of one that its Project lists."


def find_source_problems(raw: Any, project: Project) -> Iterator[Detail]:
    """Yield what is wrong with the pull requests that a body names, whatever else is wrong with it.

    Parameters
    ----------
    raw
        The body as it came.
    project
        The Project, which has the repositories.
    """
    known: dict[PullRequestAddress, int] = {}
    first: RepositoryKey | None = None
    for index, number, named, repository in _addresses(raw):
        where = f"pullRequests.{index}"
        found, address = find_named_repository(project, repository), named
        if not isinstance(found, Reason):
            address = PullRequestAddress(repository_key(found.url), named.number)
        if isinstance(number, int) and number != address.number:
            yield Detail(field=f"{where}.prNumber", message="The number is not the one in prUrl.")
        if address in known:
            message = f"It is the pull request of pullRequests.{known[address]}. Name each once."
            yield Detail(field=f"{where}.prUrl", message=message)
        known.setdefault(address, index)
        first = first or address.repository
        if address.repository != first:
            yield Detail(field=f"{where}.prUrl", message="All pull requests of a merge must be of one repository.")
        if isinstance(found, Reason):
            yield Detail(field=f"{where}.prUrl", message=_FOREIGN)


def find_workflow(raw: Any, project: Project) -> str | None:
    """Return the name of the Workflow that a merge would use; None: neither body nor Project names one.

    An id that is none, which is a problem of its own, is an empty name.
    """
    config = raw.get("config") if isinstance(raw, dict) else None
    asked = config.get("workflowId") if isinstance(config, dict) else None
    if asked is None:
        reference = project.spec.merge_workflow_ref
        return None if reference is None else reference.name
    try:
        return parse_id(asked, WORKFLOW_ID) if isinstance(asked, str) else ""
    except ValueError:
        return ""


def address_of(url: str, number: int) -> str:
    """Return the address of a pull request of a repository, without what may be spelled in two ways."""
    parts = split_address(url)
    return f"{url if parts is None else 'https://' + '/'.join(parts)}/pull/{number}"


def build_combine_spec(body: MergeStart, project: Project) -> Json:
    """Return the spec of a new merge, with the addresses in the Project's spelling of the repository."""
    urls = [source.pr_url.rstrip("/").rpartition("/pull/") for source in body.pull_requests]
    found = find_named_repository(project, urls[0][0])
    known = urls[0][0] if isinstance(found, Reason) else found.url
    config = body.config
    optional = {
        "baseBranch": body.base_branch,
        "workflowRef": None if config.workflow_id is None else {"name": config.workflow_id},
        "branchName": config.branch_name,
        "title": config.title,
        "prompt": config.prompt,
        "maxAttempts": config.max_attempts,
    }
    return {
        "mode": MergeMode.COMBINE.value,
        "pullRequests": [address_of(known, int(number)) for _, _, number in urls],
        "closeSources": config.close_sources,
    } | {field: value for field, value in optional.items() if value is not None}
