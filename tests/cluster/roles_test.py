"""The roles of members on the cluster's own authorizer."""

from __future__ import annotations

import orjson
import pytest

from codecourier.local.api import LoopbackServer
from codecourier.local.processes import wait_until
from tests.support.rbac import ROLES, Asked, read_operations

pytestmark = pytest.mark.cluster

RBAC = "rbac.authorization.k8s.io"
FIRST = Asked("list", "runs")


def bind(api: LoopbackServer, namespace: str, role: str) -> None:
    """Give a role to the user of its name, and wait until the authorizer knows."""
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"codecourier-{role}"}
    subject = {"apiGroup": RBAC, "kind": "User", "name": role}
    binding = {"metadata": {"name": role}, "roleRef": reference, "subjects": [subject]}
    api.fetch("POST", f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings", orjson.dumps(binding))
    assert wait_until(lambda: may(api, namespace, role, FIRST), timeout_seconds=20)


def may(api: LoopbackServer, namespace: str, user: str, asked: Asked) -> bool:
    """Return what the authorizer says."""
    spec = {"user": user, "resourceAttributes": {**asked.to_json(), "namespace": namespace}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = api.fetch("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", orjson.dumps(review))
    return bool(answer["status"]["allowed"])


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_the_contract_says(admin_api: LoopbackServer, namespace: str, role: str) -> None:
    bind(admin_api, namespace, role)
    operations = list(read_operations())
    doors = {op.door: any(role in other.roles for other in operations if other.door == op.door) for op in operations}
    wanted = {op.right: role in op.roles for op in operations} | doors
    assert {asked: may(admin_api, namespace, role, asked) for asked in wanted} == wanted
    assert not may(admin_api, "default", role, FIRST)
