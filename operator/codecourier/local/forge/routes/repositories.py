"""Repositories, branches and refs."""

from __future__ import annotations

from codecourier.local.forge.call import Answer, Call, Endpoint, paginate
from codecourier.local.forge.errors import RefusedError, not_found, validation_failed
from codecourier.local.forge.gates import find_protection
from codecourier.local.forge.git import RefMovedError
from codecourier.local.forge.pulls import refuse_workflow_changes
from codecourier.local.forge.rule_shapes import protection_shape, rule_shapes
from codecourier.local.forge.shapes import branch_shape, ref_shape, repository_shape, short_branch_shape

__all__ = ["ENDPOINTS"]

_HEADS = "refs/heads/"


_MERGE_SETTINGS = ("allow_merge_commit", "allow_squash_merge", "allow_rebase_merge", "delete_branch_on_merge")
"""https://docs.github.com/rest/repos/repos#get-a-repository shows these to those only who may write contents."""


def _get_repository(call: Call) -> Answer:
    hidden = () if call.may("contents", "write") else _MERGE_SETTINGS
    shape = repository_shape(call.forge, call.repository)
    return Answer({name: value for name, value in shape.items() if name not in hidden})


def _list_branches(call: Call) -> Answer:
    tips = sorted(call.git.refs(_HEADS).items())
    wanted = call.query.get("protected")
    branches = [short_branch_shape(call.forge, call.repository, ref.removeprefix(_HEADS), sha) for ref, sha in tips]
    if wanted is not None:
        branches = [branch for branch in branches if branch["protected"] == (wanted == "true")]
    return paginate(call, branches, lambda branch: branch)


def _get_branch(call: Call) -> Answer:
    name = call.parameters["branch"]
    sha = call.git.ref(f"{_HEADS}{name}")
    if sha is None:
        raise RefusedError(404, "Branch not found")
    return Answer(branch_shape(call.forge, call.repository, name, sha))


def _get_protection(call: Call) -> Answer:
    rules = find_protection(call.forge.store, call.repository, call.parameters["branch"])
    if rules is None:
        raise RefusedError(404, "Branch not protected")
    return Answer(protection_shape(call.forge, call.repository, rules))


def _get_required_checks(call: Call) -> Answer:
    shape = _get_protection(call).body
    if "required_status_checks" not in shape:
        raise RefusedError(404, "Required status checks not enabled")
    return Answer(shape["required_status_checks"])


def _list_rules(call: Call) -> Answer:
    sets = call.forge.gates.rule_sets(call.repository, call.parameters["branch"])
    rules = [rule for found in sets for rule in rule_shapes(call.repository, found)]
    return paginate(call, rules, lambda rule: rule)


def _get_ref(call: Call) -> Answer:
    name = f"refs/{call.parameters['ref']}"
    sha = call.git.ref(name)
    if sha is None:
        raise not_found()
    return Answer(_shape(call, name, sha))


def _create_ref(call: Call) -> Answer:
    name, sha = call.text("ref"), call.text("sha")
    if not name.startswith("refs/") or name.count("/") < 2 or name.startswith("refs/pull/"):  # noqa: PLR2004
        raise RefusedError(422, "Reference name must start with 'refs/' and contain at least one more slash.")
    if call.git.ref(name) is not None:
        raise RefusedError(422, "Reference already exists")
    _check_object(call, name, sha)
    _allow_workflows(call, sha)
    _move(call, name, sha, None)
    return Answer(_shape(call, name, sha), status=201)


def _update_ref(call: Call) -> Answer:
    name, sha = f"refs/{call.parameters['ref']}", call.text("sha")
    old = call.git.ref(name)
    if old is None:
        raise RefusedError(422, "Reference does not exist")
    _check_object(call, name, sha)
    _allow_workflows(call, sha)
    is_forward = call.git.is_ancestor(old, sha)
    if not is_forward and not call.body.get("force"):
        raise RefusedError(422, "Update is not a fast forward")
    rules = find_protection(call.forge.store, call.repository, name.removeprefix(_HEADS))
    if rules and not rules.allow_pushes:
        raise RefusedError(422, "Changes must be made through a pull request.")
    if rules and not is_forward and not rules.allow_force_pushes:
        raise RefusedError(422, "Cannot force-push to this branch")
    _move(call, name, sha, old)
    return Answer(_shape(call, name, sha))


def _delete_ref(call: Call) -> Answer:
    name = f"refs/{call.parameters['ref']}"
    old = call.git.ref(name)
    if old is None or name.startswith("refs/pull/"):
        raise RefusedError(422, "Reference does not exist")
    rules = find_protection(call.forge.store, call.repository, name.removeprefix(_HEADS))
    if rules and not rules.allow_deletions:
        raise RefusedError(422, "Cannot delete this protected branch")
    if name == f"{_HEADS}{call.repository.default_branch}":
        raise RefusedError(422, "Cannot delete the default branch")
    _move(call, name, None, old)
    return Answer(status=204)


def _move(call: Call, name: str, new: str | None, old: str | None) -> None:
    try:
        call.git.update_ref(name, new, old=old)
    except RefMovedError as error:
        raise RefusedError(422, "Reference cannot be updated") from error
    action = "delete" if new is None else "create" if old is None else "update"
    call.forge.store.write(counts=[("ref_writes", f"{call.repository.full_name} {action} {name}")])
    call.forge.follow(call.repository)


def _check_object(call: Call, name: str, sha: str) -> None:
    is_full = len(sha) == 40 and set(sha) <= set("0123456789abcdef")  # noqa: PLR2004 - a SHA-1 in hexadecimal
    kind = call.git.object_type(sha) if is_full else None
    if kind is None:
        raise RefusedError(422, "Object does not exist")
    if name.startswith(_HEADS) and kind != "commit":
        raise validation_failed("Reference", "Object is not a commit")


def _allow_workflows(call: Call, sha: str) -> None:
    if not call.may("workflows", "write"):
        refuse_workflow_changes(call.git, sha)


def _shape(call: Call, name: str, sha: str) -> dict[str, object]:
    return ref_shape(call.forge, call.repository, name, sha, call.git.object_type(sha) or "commit")


_READ, _WRITE, _ADMINISTER = ("contents", "read"), ("contents", "write"), ("administration", "read")
_BRANCH = "/repos/{owner}/{repo}/branches/{branch:path}"
_GIT = "/repos/{owner}/{repo}/git"

ENDPOINTS = (
    Endpoint("GET", "/repos/{owner}/{repo}", _get_repository, ("metadata", "read")),
    Endpoint("GET", "/repos/{owner}/{repo}/branches", _list_branches, _READ),
    Endpoint("GET", f"{_BRANCH}/protection/required_status_checks", _get_required_checks, _ADMINISTER),
    Endpoint("GET", f"{_BRANCH}/protection", _get_protection, _ADMINISTER),
    Endpoint("GET", "/repos/{owner}/{repo}/rules/branches/{branch:path}", _list_rules, ("metadata", "read")),
    Endpoint("GET", _BRANCH, _get_branch, _READ),
    Endpoint("GET", f"{_GIT}/ref/{{ref:path}}", _get_ref, _READ),
    Endpoint("POST", f"{_GIT}/refs", _create_ref, _WRITE),
    Endpoint("PATCH", f"{_GIT}/refs/{{ref:path}}", _update_ref, _WRITE),
    Endpoint("DELETE", f"{_GIT}/refs/{{ref:path}}", _delete_ref, _WRITE),
)
