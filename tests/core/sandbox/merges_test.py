"""What a Sandbox and its Run say of merges: from the messages of the pod's last step to the end of the Run."""

from __future__ import annotations

import pytest

from codecourier.core.run.start import build_sandbox
from codecourier.core.sandbox.merges import build_merge_task, describe_merge, read_merge
from codecourier.core.sandbox.pods import build_pod, pod_deadline_seconds
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.merging import MergeReport, MergeState, MergeSummary, MergeTask, SourceReport
from codecourier.merging import MergeSource as WireSource
from codecourier.resources.merge import Merge, MergeResult, MergeSource
from codecourier.resources.run import Origin, Run
from codecourier.resources.workflow import SecretKeyReference, SecretVariable
from codecourier.task import Details, Publication, PublishResult
from tests.support.worlds import make_run, make_workflow, queued

BASE, TIP, TREE = "b" * 40, "c" * 40, "d" * 40
SOURCES = (MergeSource(number=7, head_commit="7" * 40), MergeSource(number=8, head_commit="8" * 40))
REPORT = MergeReport(
    (
        SourceReport(7, MergeState.CLEAN, "e" * 40),
        SourceReport(8, MergeState.CONFLICT, None, ("app",), 1, "MergeConflict"),
    ),
    TREE,
)


def merging_run(**status: object) -> Run:
    """Return a Run that merges two pull requests."""
    run = make_run(
        origin=Origin(kind="SprintChain", name="job", uid="uid-job", index=4),
        merge=Merge(sources=SOURCES, resolves=True),
    )
    return queued(run, base_commit=BASE, **status)


def pushed(**changes: object) -> PublishResult:
    """Return what publish says of one merge and one conflict."""
    fields: dict[str, object] = {"commit": TIP, "merge": REPORT.summary, **changes}
    return PublishResult(Publication.PUSHED, "Pushed", **fields)  # type: ignore[arg-type]


def test_the_task_has_what_the_run_merges() -> None:
    wire = tuple(WireSource(source.number, source.head_commit) for source in SOURCES)
    assert build_merge_task(merging_run()) == MergeTask("uid-job", 4, wire, resolves=True)
    assert build_merge_task(make_run()) is None


@pytest.mark.parametrize(("right", "may_try"), [(True, True), (None, True), (False, False)])
def test_workflow_files_are_tried_unless_the_credential_surely_may_not(*, right: bool | None, may_try: bool) -> None:
    run = merging_run()
    assert run.spec.merge is not None
    merge = run.spec.merge.updated(may_change_workflows=right)
    task = build_merge_task(run.updated(spec=run.spec.updated(merge=merge)))
    assert task is not None
    assert task.may_change_workflows is may_try


def test_the_details_say_what_became_of_each() -> None:
    merge = read_merge(merging_run(), pushed(), Details(merge=REPORT))
    assert merge is not None
    assert (merge.tip, merge.tree, merge.sources[1].paths, merge.sources[1].reason) == (
        TIP,
        TREE,
        ("app",),
        "MergeConflict",
    )


def test_where_the_log_is_lost_the_states_stand() -> None:
    merge = read_merge(merging_run(), pushed(), None)
    assert merge is not None
    assert [(source.number, source.state, source.commit, source.reason) for source in merge.sources] == [
        (7, MergeState.CLEAN, None, None),
        (8, MergeState.CONFLICT, None, "MergeConflict"),
    ]
    assert (merge.tip, merge.tree) == (TIP, TREE)


def test_where_nothing_was_merged_the_base_commit_is_what_to_continue_from() -> None:
    nothing = PublishResult(Publication.NO_CHANGE, "NothingMerged", merge=MergeSummary("KE", TREE))
    merge = read_merge(merging_run(), nothing, None)
    assert merge is not None
    assert (merge.tip, merge.tree) == (BASE, TREE)
    assert "Nothing was merged" in describe_merge(merge)


def test_of_a_failure_nothing_counts() -> None:
    failed = PublishResult(Publication.FAILED, "NotVerified", merge=MergeSummary("CX", None, "NotVerified"))
    merge = read_merge(merging_run(), failed, None)
    assert merge is not None
    assert (merge.tip, merge.tree, len(merge.sources)) == (None, None, 2)


@pytest.mark.parametrize("states", ["CCC", ""])
def test_a_report_of_more_than_there_was_is_none(states: str) -> None:
    merge = read_merge(merging_run(), pushed(merge=MergeSummary(states)), None)
    assert merge is None if states else merge == MergeResult(tip=TIP)


def test_details_that_contradict_the_result_are_not_used() -> None:
    other = Details(merge=MergeReport((SourceReport(9, MergeState.CLEAN), SourceReport(8, MergeState.CONFLICT))))
    merge = read_merge(merging_run(), pushed(), other)
    assert merge is not None
    assert [source.number for source in merge.sources] == [7, 8]


def test_what_is_verified_runs_without_secrets_and_apart_from_the_agent() -> None:
    secret = SecretVariable(name="API_KEY", secret_key_ref=SecretKeyReference(name="model", key="key"))
    workflow = make_workflow(setup=("make tools",), verify=("make test",), secret_env=(secret,)).spec
    sandbox = build_sandbox(merging_run(attempt=1), 1, 1)
    pod = build_pod(sandbox, workflow, "{}", "tokens", PodSettings("courier"), is_merging=True)
    steps = {c["name"]: c for c in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])}
    assert list(steps) == ["checkout", "agent", "collect", "verify", "publish"]
    assert "API_KEY" in {variable["name"] for variable in steps["agent"]["env"]}
    assert not [variable for variable in steps["verify"]["env"] if "valueFrom" in variable]
    volumes = {name: {mount["name"]: mount["readOnly"] for mount in c["volumeMounts"]} for name, c in steps.items()}
    assert {name for name, mounts in volumes.items() if "verdict" in mounts} == {"verify", "publish"}
    assert (volumes["verify"]["verdict"], volumes["publish"]["verdict"]) == (False, True)
    assert volumes["agent"].keys() & volumes["verify"].keys() == {"workspace", "reports", "control"}
    assert {volume["name"] for volume in pod["spec"]["volumes"]} >= {name for m in volumes.values() for name in m}
    longer = pod_deadline_seconds(workflow, is_merging=True) - pod_deadline_seconds(workflow)
    assert longer == workflow.step_timeout_seconds + workflow.agent.grace_period_seconds
