"""What the end of a pod means: from containers' ends and their messages to one reason and one sentence.

The operator believes the termination message of a container about that container alone: publish repeats what the
agent's report files say, but those the agent could forge, so how the agent fared is read from its own container.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from codecourier.core.run.usage import build_items
from codecourier.core.sandbox.merges import describe_merge, read_merge
from codecourier.core.sandbox.pod_view import ContainerView, PodView
from codecourier.core.shared.learnings import clean_lesson
from codecourier.core.shared.reasons import Reason, clean_word, cut, sentence
from codecourier.resources.merge import MergeResult
from codecourier.resources.run import Run
from codecourier.resources.sandbox import PublishState, SandboxPhase, SandboxResult, Step
from codecourier.task import (
    CONTAINER_AGENT,
    CONTAINER_CHECKOUT,
    CONTAINER_COLLECT,
    CONTAINER_PUBLISH,
    CONTAINER_VERIFY,
    Details,
    Publication,
    PublishResult,
    StepReport,
    StepState,
    TaskError,
    parse_details,
)

__all__ = ["STEPS", "Outcome", "describe_lack_of_memory", "read_outcome", "read_publication"]

_SUMMARY_LENGTH = 8192
STEPS = frozenset({CONTAINER_CHECKOUT, CONTAINER_AGENT, CONTAINER_VERIFY, CONTAINER_COLLECT, CONTAINER_PUBLISH})
"""Our own containers. Others, such as those that a service mesh injects, report in no way that is known here."""

_AGENT_REASONS = {
    "SetupFailed": Reason.SETUP_FAILED,
    "SetupTimeout": Reason.SETUP_FAILED,
    "AgentTimeout": Reason.AGENT_TIMEOUT,
    "ProviderLimit": Reason.PROVIDER_LIMIT,
}
_WORKED = frozenset({Reason.AGENT_FAILED, Reason.AGENT_TIMEOUT, Reason.VERIFY_FAILED, Reason.PROVIDER_LIMIT})
"""Failures before which the agent may have changed something."""

_LOGGED = frozenset(
    {Reason.AGENT_FAILED, Reason.AGENT_TIMEOUT, Reason.SETUP_FAILED, Reason.VERIFY_FAILED, Reason.STEP_FAILED}
)
"""Failures that the output of their step explains."""

_AGENT_STEPS = frozenset({CONTAINER_AGENT, CONTAINER_VERIFY})
"""Steps that run the Workflow's commands in its image, under the supervisor."""

_TERMINATED = "Terminated"
"""What a step reports that received SIGTERM: where nothing else ended the pod, its node did."""

_LACKED_MEMORY = "OutOfMemory"
"""What the supervisor reports once the kernel has killed a process of its container for memory."""

_OWN_LIMIT = "Its limit is fixed: keep large files out of the repository and of what the agent writes."
_AGENT_LIMIT = "Raise resources.memory of the Workflow."

_STEP_REASONS = {
    "ConflictMarkersLeft": Reason.RESOLUTION_REFUSED,
    "ConflictUnsettled": Reason.RESOLUTION_REFUSED,
    "LinkNotConflicted": Reason.RESOLUTION_REFUSED,
    "MergeConflict": Reason.MERGE_CONFLICT,
    "PathNotConflicted": Reason.RESOLUTION_REFUSED,
    "ProgressMoved": Reason.PROGRESS_MOVED,
    "ProgressTaken": Reason.PROGRESS_TAKEN,
    "WorkflowPermission": Reason.WORKFLOW_PERMISSION,
    "CredentialsRefused": Reason.CREDENTIALS_REFUSED,
    "ForgeUnavailable": Reason.FORGE_UNAVAILABLE,
    "RateLimited": Reason.RATE_LIMITED,
    "SandboxRestarted": Reason.SANDBOX_RESTARTED,
    "SecretInOutput": Reason.SECRET_IN_OUTPUT,
    _TERMINATED: Reason.SANDBOX_RESTARTED,
}

_FOLLOWING = frozenset({"AgentFailed", "NotVerified"})
"""Reasons of publish that only repeat the failure of a step before it."""


@dataclass(frozen=True)
class Outcome:
    """How a Sandbox ended."""

    phase: SandboxPhase
    reason: Reason
    message: str
    steps: tuple[Step, ...] = ()
    result: SandboxResult | None = None
    retry_time: datetime | None = None
    has_lost_details: bool = False
    merge: MergeResult | None = None


@dataclass(frozen=True)
class _Failure:
    reason: Reason
    message: str
    retry_after_seconds: int | None = None
    is_cut_short: bool = False
    """Whether the step says no more than that it was ended, or nothing at all."""


def read_publication(pod: PodView) -> PublishResult | None:
    """Return what publish says in its termination message; None when it never ended or cannot be read."""
    container = pod.container(CONTAINER_PUBLISH)
    if container is None or container.exit_code is None:
        return None
    try:
        return PublishResult.from_json(container.message)
    except TaskError:
        return None


def read_outcome(
    pod: PodView, log: str | None, *, namespace: str, deadline_seconds: int, now: datetime, run: Run | None = None
) -> Outcome:
    """Return what became of a pod that has ended.

    Parameters
    ----------
    pod
        The pod.
    log
        What publish printed; None when it is lost, which costs the details but not the outcome.
    namespace
        Of the pod.
    deadline_seconds
        The pod's deadline.
    now
        The time: the end of a pod that shows none.
    run
        The Run, for what it was to merge.
    """
    publication = read_publication(pod)
    details = _read_details(publication, log)
    has_lost_details = publication is not None and publication.details_digest is not None and details is None
    failure = _failure(pod, namespace, publication, deadline_seconds)
    if failure is not None and failure.is_cut_short:
        failure = _interruption(pod) or failure
    result = None if publication is None else _result(publication, details)
    steps = tuple(_step(c) for c in _ended_steps(pod))
    finished = pod.finish_time or now
    merge = read_merge(run, publication, details)
    if failure is None:
        words = _success(result, merge)
        return Outcome(SandboxPhase.COMPLETED, *words, steps, result, has_lost_details=has_lost_details, merge=merge)
    after = failure.retry_after_seconds
    if after is None and publication is not None and failure.reason is Reason.PROVIDER_LIMIT:
        # The agent may have named a date, which the supervisor, a shell script, leaves to collect.
        after = publication.retry_after_seconds
    return Outcome(
        SandboxPhase.EXPIRED if failure.reason is Reason.DEADLINE_EXCEEDED else SandboxPhase.FAILED,
        failure.reason,
        failure.message,
        steps,
        result,
        retry_time=None if after is None else finished + timedelta(seconds=after),
        has_lost_details=has_lost_details,
        merge=merge,
    )


def _success(result: SandboxResult | None, merge: MergeResult | None) -> tuple[Reason, str]:
    if merge is not None:
        return Reason.COMPLETED, sentence(Reason.COMPLETED, detail=describe_merge(merge))
    if result is not None and result.state is PublishState.PUSHED:
        return Reason.COMPLETED, sentence(Reason.COMPLETED, detail=f"The work is pushed as {result.commit}.")
    return Reason.NOTHING_TO_CHANGE, sentence(Reason.NOTHING_TO_CHANGE)


def _failure(pod: PodView, namespace: str, publication: PublishResult | None, deadline_seconds: int) -> _Failure | None:
    """Return what failed first, and whether what the agent had done by then was lost with it."""
    if (failure := _pod_failure(pod, deadline_seconds)) is not None:
        return failure
    first, last = _first_failure(pod, namespace), _publish_failure(pod, publication)
    if first is not None and publication is not None and publication.reason in _FOLLOWING:
        return first
    if first is None or last is None or first.reason not in _WORKED:
        return first or last
    return replace(first, message=cut(f"{first.message} What it had done was not pushed: {last.message}"))


def _pod_failure(pod: PodView, deadline_seconds: int) -> _Failure | None:
    if pod.reason == "DeadlineExceeded":
        return _Failure(Reason.DEADLINE_EXCEEDED, sentence(Reason.DEADLINE_EXCEEDED, seconds=deadline_seconds))
    if pod.reason != "Evicted":
        return None
    # The kubelet names what exceeded its limit; pressure on the node is not the pod's fault.
    if "exceeds" in pod.message or "exceeded" in pod.message:
        return _Failure(Reason.DISK_LIMIT, sentence(Reason.DISK_LIMIT, detail=pod.message))
    return _Failure(Reason.POD_EVICTED, sentence(Reason.POD_EVICTED, pod=pod.name, detail=pod.message))


def _interruption(pod: PodView) -> _Failure | None:
    """Return what ended a pod whose step was cut short, where the cluster says so: it was not the step's own fault."""
    if pod.deletion_time is not None:
        return _Failure(Reason.POD_DELETED, sentence(Reason.POD_DELETED, pod=pod.name))
    if pod.reason:
        detail = f"{pod.reason}: {pod.message}"
        return _Failure(Reason.POD_EVICTED, sentence(Reason.POD_EVICTED, pod=pod.name, detail=detail))
    return None


def _ended_steps(pod: PodView) -> list[ContainerView]:
    return [c for c in pod.containers if c.name in STEPS and c.exit_code is not None]


def _first_failure(pod: PodView, namespace: str) -> _Failure | None:
    for container in _ended_steps(pod):
        if container.name == CONTAINER_PUBLISH:
            continue
        # In a pod that has succeeded the steps went on, and the report of each says how it fared.
        if container.is_short_of_memory and pod.phase != "Succeeded":
            return _Failure(Reason.OUT_OF_MEMORY, describe_lack_of_memory(container.name))
        if (failure := _container_failure(container)) is not None:
            return _with_log(failure, namespace, pod.name, container.name)
    return None


def _with_log(failure: _Failure, namespace: str, pod: str, container: str) -> _Failure:
    """Return a failure that says where more is to be read, for those that may be the step's own fault."""
    if failure.reason not in _LOGGED:
        return failure
    command = f"kubectl logs -n {namespace} {pod} -c {container}"
    return replace(failure, message=cut(f"{failure.message} Its output: `{command}`."))


def _container_failure(container: ContainerView) -> _Failure | None:
    if container.could_not_start and container.name in _AGENT_STEPS:
        said = sentence(Reason.STEP_NOT_STARTED, step=container.name, detail=_end(container))
        return _Failure(Reason.STEP_NOT_STARTED, said)
    try:
        report = StepReport.from_json(container.message)
    except TaskError as error:
        # A killed supervisor leaves no report; it is unknown whether the work was done.
        return _Failure(
            Reason.REPORT_LOST,
            sentence(
                Reason.REPORT_LOST,
                step=container.name,
                detail=_end(container) if container.could_not_start else f"{_end(container)}; {error}",
            ),
            is_cut_short=True,
        )
    if report.state is StepState.SUCCEEDED:
        return None
    if report.reason == _LACKED_MEMORY:
        return _Failure(Reason.OUT_OF_MEMORY, describe_lack_of_memory(container.name))
    reason, message = _step_failure(container.name, report)
    return _Failure(reason, message, report.retry_after_seconds, is_cut_short=report.reason == _TERMINATED)


def _end(container: ContainerView) -> str:
    """Return how a container ended; for one that could not be started in the words of the container runtime."""
    if container.could_not_start:
        return f"{container.reason}: {container.message}"
    return f"exit code {container.exit_code}, {container.reason or 'no reason'}"


def describe_lack_of_memory(step: str) -> str:
    """Return what is said of a step in which the kernel killed a process for memory."""
    advice = _AGENT_LIMIT if step in _AGENT_STEPS else _OWN_LIMIT
    return sentence(Reason.OUT_OF_MEMORY, step=step, advice=advice)


def _step_failure(step: str, report: StepReport) -> tuple[Reason, str]:
    detail = report.message or report.reason
    if report.reason == _TERMINATED:
        return _own_step_failure(step, _TERMINATED, detail)
    if step == CONTAINER_AGENT:
        reason = _AGENT_REASONS.get(report.reason, Reason.AGENT_FAILED)
        # When the work goes on is the Run's to say: it chooses the time.
        return reason, cut(detail) if reason is Reason.PROVIDER_LIMIT else sentence(reason, detail=detail)
    if step == CONTAINER_VERIFY:
        return Reason.VERIFY_FAILED, sentence(Reason.VERIFY_FAILED, detail=detail)
    return _own_step_failure(step, report.reason, detail)


def _own_step_failure(step: str, reported: str, detail: str) -> tuple[Reason, str]:
    reason = _STEP_REASONS.get(reported)
    if reason is None:
        return Reason.STEP_FAILED, sentence(Reason.STEP_FAILED, step=step, detail=f"{reported}: {detail}")
    if reason is Reason.MERGE_CONFLICT:
        return reason, cut(detail)
    return reason, sentence(reason, repository="the repository", detail=f"{detail} (step {step})")


def _publish_failure(pod: PodView, publication: PublishResult | None) -> _Failure | None:
    container = pod.container(CONTAINER_PUBLISH)
    if publication is None:
        said = "it never ran" if container is None or container.exit_code is None else _end(container)
        if container is not None and container.is_short_of_memory:
            return _Failure(Reason.OUT_OF_MEMORY, describe_lack_of_memory(CONTAINER_PUBLISH))
        text = sentence(Reason.REPORT_LOST, step=CONTAINER_PUBLISH, detail=said)
        return _Failure(Reason.REPORT_LOST, text, is_cut_short=True)
    if publication.state is not Publication.FAILED:
        return None
    reason, message = _own_step_failure(
        CONTAINER_PUBLISH, publication.reason, publication.message or publication.reason
    )
    return _Failure(reason, message, publication.retry_after_seconds, is_cut_short=publication.reason == _TERMINATED)


def _read_details(publication: PublishResult | None, log: str | None) -> Details | None:
    if publication is None or publication.details_digest is None or log is None:
        return None
    try:
        return parse_details(log, publication.details_digest)
    except TaskError:
        return None


def _result(publication: PublishResult, details: Details | None) -> SandboxResult:
    return SandboxResult(
        state=PublishState(publication.state.value),
        commit=publication.commit,
        title=publication.title[:256] if publication.title else None,
        summary=details.summary[:_SUMMARY_LENGTH] if details is not None and details.summary else None,
        files=publication.files,
        insertions=publication.insertions,
        deletions=publication.deletions,
        usage=build_items(details.usage) if details is not None else (),
        learnings=tuple(filter(None, map(clean_lesson, details.learnings))) if details is not None else (),
    )


def _step(container: ContainerView) -> Step:
    exit_code = container.exit_code if container.exit_code is not None else -1
    reason, message = clean_word(container.reason) or None, None
    try:
        if container.name == CONTAINER_PUBLISH:
            publication = PublishResult.from_json(container.message)
            reason, message = publication.reason, publication.message
        else:
            report = StepReport.from_json(container.message)
            reason, message = report.reason, report.message
    except TaskError:
        message = None
    return Step(
        name=container.name,
        exit_code=max(-1, min(exit_code, 255)),
        reason=reason,
        message=message or None,
        start_time=container.start_time,
        finish_time=container.finish_time,
    )
