"""What a Run or SprintChain names of its namespace, and why work cannot start with it: one answer for all plans."""

from __future__ import annotations

from collections.abc import Mapping

from codecourier.core.shared.facts import (
    AgentSecretsAsk,
    BranchHeadAsk,
    Facts,
    Problem,
    RepositoryAccess,
    RepositoryAsk,
)
from codecourier.core.shared.prompts import find_placeholder_fault
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.trash import is_trashed
from codecourier.resources.workflow import Workflow, WorkflowSpec

__all__ = ["find_head", "find_secret_problem", "find_workflow"]


def find_workflow(workflow: Workflow | None, name: str, *, has_sprint: bool) -> Workflow | Problem:
    """Return a Workflow, or why nothing can start with it.

    Parameters
    ----------
    workflow
        The Workflow; None where there is none.
    name
        The name that it is referred to by.
    has_sprint
        Whether it is used for a sprint, so that the template may name the sprint's number.
    """
    if workflow is None:
        return Problem(Reason.WORKFLOW_NOT_FOUND, sentence(Reason.WORKFLOW_NOT_FOUND, workflow=name))
    if is_trashed(workflow):
        return Problem(Reason.WORKFLOW_TRASHED, sentence(Reason.WORKFLOW_TRASHED, workflow=name))
    fault = find_placeholder_fault(workflow.spec.prompt_template, has_sprint=has_sprint)
    if fault is None:
        return workflow
    return Problem(Reason.TEMPLATE_INVALID, sentence(Reason.TEMPLATE_INVALID, detail=fault))


def find_secret_problem(
    facts: Facts, namespace: str, workflow: WorkflowSpec, versions: Mapping[str, str] | None = None
) -> Problem | None:
    """Return which Secret of a Workflow an agent may not read, or None.

    Parameters
    ----------
    facts
        The answers.
    namespace
        The namespace.
    workflow
        The Workflow.
    versions
        Versions of Secrets, by name, for which an earlier answer will do; None: each is read now, as a pod is about to
        use it.

    Raises
    ------
    MissingFacts
        If the API server was not asked yet.
    """
    keys = tuple((v.secret_key_ref.name, v.secret_key_ref.key) for v in workflow.secret_env)
    if not keys:
        return None
    known = tuple((versions or {}).get(name) or "" for name, _ in keys)
    answer = facts.get(AgentSecretsAsk(namespace, keys, known if any(known) else ()))
    if isinstance(answer, Problem):
        return answer
    if not answer.unreadable:
        return None
    first, reason = answer.unreadable[0], Reason.SECRET_NOT_READABLE
    return Problem(reason, sentence(reason, secret=first.secret, key=first.key, detail=first.detail))


def find_head(facts: Facts, repository: RepositoryAccess | Problem, url: str, branch: str) -> str | Problem:
    """Return the commit at a branch's head, or why there is none; of a repository without any commit it says that.

    Raises
    ------
    MissingFacts
        If the repository's host was not asked yet.
    """
    head = facts.get(BranchHeadAsk(repository, branch))
    if isinstance(head, Problem):
        return head
    if head.commit is not None:
        return head.commit
    known = facts.get(RepositoryAsk(repository))
    if isinstance(known, Problem):
        return known
    if known.default_branch == branch:
        return Problem(Reason.REPOSITORY_EMPTY, sentence(Reason.REPOSITORY_EMPTY, repository=url, branch=branch))
    text = sentence(Reason.BRANCH_NOT_FOUND, repository=url, branch=branch, default=known.default_branch)
    return Problem(Reason.BRANCH_NOT_FOUND, text)
