"""The merge of one pull request in the REST API: the body, what forbids it, and what is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import Field

from codecourier.apiserver.answers import View
from codecourier.apiserver.bodies import Body
from codecourier.apiserver.ids import MERGE_JOB_ID
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.views.merge_start import PullRequestAddress, address_of, read_address
from codecourier.apiserver.words import MergeStrategyWord, word_of
from codecourier.core.shared.naming import merge_job_name
from codecourier.kube.api import Json
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import MergeJob, MergeJobPhase, MergeMode, MergeStrategy
from codecourier.resources.pull_request import PullRequestPhase
from codecourier.resources.run import Run

__all__ = [
    "MergeOrder",
    "MergeOrdered",
    "Mergeable",
    "build_single_spec",
    "choose_name",
    "mergeable_of_job",
    "mergeable_of_run",
]

_FINISHED = frozenset(phase.value for phase in MergeJobPhase if phase.is_finished)


class MergeOrder(Body):
    """How a pull request is merged."""

    merge_strategy: MergeStrategyWord = Field(
        default=MergeStrategy.SQUASH, json_schema_extra={"default": word_of(MergeStrategy.SQUASH)}
    )
    """How the host merges it."""

    skip_ci_check: bool = False
    """Whether the merge does not wait for checks, which takes a right of its own. Protection of the branch holds."""


class MergeOrdered(View):
    """What is shown of the merge of a pull request that was started."""

    merge_job_id: str
    status: str


@dataclass(frozen=True)
class Mergeable:
    """A pull request that can be merged."""

    maker: str
    """Name of the Run or MergeJob that made it."""

    url: str
    """Its address, without what may be spelled in two ways."""

    address: PullRequestAddress
    workflow: str | None = None
    """Workflow that tries the merge; None: that of the Run, or the Project's for merges."""


def mergeable_of_run(run: Run) -> Mergeable:
    """Return the pull request of a Run.

    Raises
    ------
    Refusal
        409 if there is none, or it was merged or closed.
    """
    made = run.status.pull_request
    if made is None or made.url is None:
        raise _refused("The run has no pull request.")
    _check_open(PullRequestState.MERGED if made.phase is PullRequestPhase.MERGED else made.state)
    return _mergeable(run.name, made.url)


def mergeable_of_job(job: MergeJob) -> Mergeable:
    """Return the new pull request of a Combine.

    Raises
    ------
    Refusal
        409 if there is none, or it was merged or closed.
    """
    result = job.status.result
    if job.spec.mode is not MergeMode.COMBINE:
        raise _refused("The merge is one of a single pull request. Name the run that made it.")
    if result is None or result.url is None:
        raise _refused("The merge has no new pull request.")
    _check_open(result.state)
    workflow = job.spec.workflow_ref
    return _mergeable(job.name, result.url, None if workflow is None else workflow.name)


def _check_open(state: PullRequestState | None) -> None:
    """Refuse a pull request that was merged or closed; None: its state is not known."""
    if state is PullRequestState.MERGED:
        raise _refused("The pull request was merged already.")
    if state is PullRequestState.CLOSED:
        raise _refused("The pull request was closed. Open it again at its host, or merge another one.")


def _mergeable(maker: str, url: str, workflow: str | None = None) -> Mergeable:
    try:
        address = read_address(url)
    except ValueError:
        raise _refused("The address of the pull request is none that this server can read.") from None
    return Mergeable(maker, address_of(url.rpartition("/pull/")[0], address.number), address, workflow)


def choose_name(pull: Mergeable, jobs: Iterable[Json]) -> str:
    """Return the name of the next merge of a pull request: that of the first number that no MergeJob has.

    Parameters
    ----------
    pull
        The pull request.
    jobs
        The MergeJobs of the namespace, as the cluster's API server showed them.

    Raises
    ------
    Refusal
        409 if a MergeJob that is not finished merges it.
    """
    names = set()
    for job in jobs:
        names.add(job["metadata"]["name"])
        if (job.get("status") or {}).get("phase") not in _FINISHED and _merges(job, pull):
            active = MERGE_JOB_ID + job["metadata"]["name"]
            raise _refused(f"{active} merges the pull request already. Wait until it is over, or cancel it.")
    number = 1
    while (name := merge_job_name(pull.maker, number)) in names:
        number += 1
    return name


def _merges(job: Json, pull: Mergeable) -> bool:
    spec = job["spec"]
    if spec.get("mode") != MergeMode.SINGLE.value:
        return False
    try:
        return read_address(spec["pullRequests"][0]) == pull.address
    except (LookupError, ValueError):
        return False


def build_single_spec(order: MergeOrder, pull: Mergeable) -> Json:
    """Return the spec of the merge of a pull request."""
    spec: Json = {
        "mode": MergeMode.SINGLE.value,
        "pullRequests": [pull.url],
        "mergeStrategy": order.merge_strategy.value,
        "skipCiCheck": order.skip_ci_check,
    }
    return spec if pull.workflow is None else {**spec, "workflowRef": {"name": pull.workflow}}


def _refused(message: str) -> Refusal:
    return Refusal(HTTPStatus.CONFLICT, message)
