"""The task of a sandbox pod, from a Run and its recorded Workflow."""

from __future__ import annotations

from codecourier import task
from codecourier.core.sandbox.merges import build_merge_task
from codecourier.core.shared.learnings import KnownLearnings, build_lessons, find_given
from codecourier.core.shared.prompts import build_default_title, build_prompt
from codecourier.resources.project import CommitIdentity
from codecourier.resources.run import Run
from codecourier.resources.workflow import CiPaths, WorkflowSpec

__all__ = ["build_task", "build_task_json"]


def build_task_json(
    run: Run, workflow: WorkflowSpec, identity: CommitIdentity, try_number: int, known: KnownLearnings
) -> str:
    """Return the task of a pod with the Learnings that the Run's status names, as they are now.

    One that is not accepted any more is left out, and all are where corrections have made them too large.

    Raises
    ------
    TemplateError, TaskError
        As `build_task`, without any Learning.
    """
    status = run.status
    given = find_given(known, status.learnings, status.repository_url or "", run.spec.workflow_ref.name)
    try:
        return build_task(run, workflow, identity, try_number, build_lessons(given)).to_json()
    except task.TaskError:
        return build_task(run, workflow, identity, try_number).to_json()


def build_task(
    run: Run, workflow: WorkflowSpec, identity: CommitIdentity, try_number: int, lessons: str = ""
) -> task.Task:
    """Return the task that the pod of a try is given.

    The Run's status must hold repository, base branch, base commit and branch.

    Raises
    ------
    TemplateError
        If the Workflow's template names something that has no value.
    TaskError
        If a value is out of the bounds of a task.
    """
    status = run.status
    return task.Task(
        run=task.RunIdentity(namespace=run.namespace, name=run.name, uid=run.uid),
        attempt=status.attempt,
        try_number=try_number,
        repository_url=status.repository_url or "",
        base_branch=status.base_branch or "",
        base_commit=status.base_commit or "",
        branch=status.branch or "",
        prompt=build_prompt(run, workflow.prompt_template, lessons),
        agent_command=workflow.agent.command,
        commit_author=task.Author(name=identity.name, email=identity.email),
        default_title=build_default_title(run),
        setup=workflow.setup,
        verify=workflow.verify,
        agent_timeout_seconds=workflow.agent.timeout_seconds,
        step_timeout_seconds=workflow.step_timeout_seconds,
        grace_period_seconds=workflow.agent.grace_period_seconds,
        allow_ci_paths=workflow.ci_paths is CiPaths.ALLOW,
        variables=_variables(run),
        canary_env=tuple(variable.name for variable in workflow.secret_env),
        only_verified=run.spec.follow_up is not None,
        merge=build_merge_task(run),
    )


def _variables(run: Run) -> dict[str, str]:
    sprint = run.spec.sprint
    if sprint is None:
        return {}
    return {
        "CODECOURIER_SPRINT_NUMBER": str(sprint.number),
        "CODECOURIER_SPRINT_INDEX": str(sprint.index),
        "CODECOURIER_SPRINT_COUNT": str(sprint.count),
    }
