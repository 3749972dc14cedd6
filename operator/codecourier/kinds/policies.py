"""ValidatingAdmissionPolicies: what RBAC alone cannot refuse.

An account that may change a Project would otherwise give out roles by way of the operator, which may bind them. A user
who may change an object could write another user's name into what the API server stamps on it. And a user who may
create a MergeJob could let it pass over the checks of a pull request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codecourier.core.shared.naming import ANNOTATION_REQUESTED_BY, role_name
from codecourier.resources.member import MemberRole
from codecourier.resources.merge_job import MergeJob
from codecourier.resources.meta import GROUP, VERSION
from codecourier.resources.project import Project

__all__ = ["BYPASS_CI", "REST_ACCOUNT", "build_policies"]

REST_ACCOUNT = "system:serviceaccount:codecourier-system:codecourier-apiserver"
"""The account of the API server."""

BYPASS_CI = "bypass-ci"
"""Verb for MergeJobs that a user needs whose merge is not to wait for CI checks."""

_API = "admissionregistration.k8s.io/v1"


def build_policies() -> Iterator[dict[str, Any]]:
    """Yield each policy, then its binding, which puts it into force everywhere."""
    yield from _policy("codecourier-members", Project.info.plural, _MEMBER_VARIABLES, _member_validations())
    plural = MergeJob.info.plural
    yield from _policy("codecourier-bypass-ci", plural, _BYPASS_VARIABLES, [_BYPASS_VALIDATION])
    yield from _policy("codecourier-requested-by", "*", _STAMP_VARIABLES, [_STAMP_VALIDATION])


def _members_of(obj: str) -> str:
    """Return one text for each member: the order of the list says nothing."""
    return f"{obj}.spec.?members.orValue([]).map(m, m.role + ' ' + m.kind + ' ' + m.name)"


_MEMBER_VARIABLES = {
    "before": f"oldObject == null ? [] : {_members_of('oldObject')}",
    "after": _members_of("object"),
    "changed": (
        "variables.after.filter(m, !(m in variables.before)) + variables.before.filter(m, !(m in variables.after))"
    ),
}


def _member_validations() -> Iterator[dict[str, Any]]:
    for role in MemberRole:
        name = role_name(role)
        check = (
            "authorizer.group('rbac.authorization.k8s.io').resource('clusterroles').namespace(object.metadata.namespace)"
            f".name('{name}').check('bind').allowed()"
        )
        yield {
            # Expensive, so it is asked only where it matters: a check costs a third of what a validation may.
            "expression": f"!variables.changed.exists(m, m.startsWith('{role.value} ')) || {check}",
            "message": (
                f"spec.members: only a user who may bind ClusterRole {name} in this namespace can give or take role "
                f"{role.value}. Members with the role Admin may, and cluster administrators."
            ),
            "reason": "Forbidden",
        }


def _stamp_of(obj: str) -> str:
    return f"{obj}.metadata.?annotations[?'{ANNOTATION_REQUESTED_BY}'].orValue('')"


_STAMP_VARIABLES = {
    "before": f"oldObject == null ? '' : {_stamp_of('oldObject')}",
    "after": _stamp_of("object"),
}
_STAMP_VALIDATION = {
    # An earlier manifest, which has no annotation, always applies: to take it away is no lie.
    "expression": (
        f"variables.after == '' || variables.after == variables.before || request.userInfo.username == '{REST_ACCOUNT}'"
    ),
    "message": f"the annotation {ANNOTATION_REQUESTED_BY} can only be set by CodeCourier's API server. Leave it out.",
    "reason": "Forbidden",
}


def _skips(obj: str) -> str:
    return f"{obj}.spec.?skipCiCheck.orValue(false)"


_BYPASS_VARIABLES = {
    "before": f"oldObject == null ? false : {_skips('oldObject')}",
    "after": _skips("object"),
}
_BYPASS_VALIDATION = {
    # The API server asks for the verb in the name of the user of each request.
    "expression": (
        f"!variables.after || variables.before || request.userInfo.username == '{REST_ACCOUNT}' ||"
        f" authorizer.group('{GROUP}').resource('{MergeJob.info.plural}').namespace(object.metadata.namespace)"
        f".check('{BYPASS_CI}').allowed()"
    ),
    "message": (
        f"spec.skipCiCheck: only a user with the verb {BYPASS_CI} for {MergeJob.info.plural} in this namespace can set"
        " it. Members with the role Admin may. Leave it out to wait for the checks."
    ),
    "reason": "Forbidden",
}


def _policy(
    name: str, plural: str, variables: dict[str, str], validations: Iterator[dict[str, Any]] | list[dict[str, str]]
) -> Iterator[dict[str, Any]]:
    rule = {"apiGroups": [GROUP], "apiVersions": [VERSION], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
    yield {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "variables": [{"name": key, "expression": expression} for key, expression in variables.items()],
            "validations": list(validations),
        },
    }
    yield {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
