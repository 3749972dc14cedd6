"""The pod of a Sandbox: which container sees what.

The division of credentials is in the table `_MOUNTS`: the read token is in checkout alone, the write token in publish
alone, neither shares a volume that the agent can write with a container that parses it, and nothing but collect ever
reads the agent's files. checkout runs as the agent's user, so that the tree is the agent's own; it has ended before the
agent starts, and nothing that it keeps of its token or its clone is mounted in the agent's containers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codecourier.core.shared.naming import ANNOTATION_TASK, FINALIZER, LABEL_MANAGED, LABEL_RUN_UID, LABEL_SANDBOX_UID
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.workflow import WorkflowSpec
from codecourier.task import (
    AGENT_UID,
    CANARY_ENV_PREFIX,
    CONTAINER_AGENT,
    CONTAINER_CHECKOUT,
    CONTAINER_COLLECT,
    CONTAINER_PUBLISH,
    CONTAINER_VERIFY,
    COURIER_UID,
    LAYOUT,
    ROOT_ENV,
    SHARED_GID,
)

__all__ = ["POD_DEADLINE_MARGIN_SECONDS", "build_pod", "pod_deadline_seconds", "pod_labels"]

POD_DEADLINE_MARGIN_SECONDS = 120
"""Seconds between the sum of all timeouts and the pod's deadline, which is a backstop only."""

NODE_TOLERATION_SECONDS = 60
"""Seconds that a pod stays bound to a node that does not answer before Kubernetes deletes it."""

_OUR_RESOURCES = {
    "requests": {"cpu": "50m", "memory": "64Mi"},
    "limits": {"cpu": "500m", "memory": "512Mi"},
}
"""Of our own steps. A pod is given the greatest request of its steps for all its life, so these ask for little: they
work for seconds, and the Workflow's request is what a pod of it costs."""

_HOME = f"{LAYOUT.root}/home"
_READ_ONLY, _WRITE = True, False

_VOLUME_PATHS = {
    "verdict": LAYOUT.verdict,
    "home-verify": _HOME,
    "tmp-verify": "/tmp",  # noqa: S108  a mount of the pod's own
    "task": LAYOUT.task,
    "control": LAYOUT.control,
    "courier": LAYOUT.courier,
    "workspace": LAYOUT.workspace_volume,
    "reports": LAYOUT.reports,
    "outbox": LAYOUT.outbox,
    "token-read": LAYOUT.token,
    "token-write": LAYOUT.token,
    "ca": LAYOUT.ca,
    "home": _HOME,
    "tmp-courier": "/tmp",  # noqa: S108  a mount of the pod's own
    "tmp-agent": "/tmp",  # noqa: S108  a mount of the pod's own
    "tmp-collect": "/tmp",  # noqa: S108  a mount of the pod's own
}

_Mounts = Mapping[str, tuple[tuple[str, bool], ...]]
"""Volumes of each container, and whether it only reads them."""

_MOUNTS: _Mounts = {
    CONTAINER_CHECKOUT: (
        ("task", _READ_ONLY),
        ("token-read", _READ_ONLY),
        ("ca", _READ_ONLY),
        ("courier", _WRITE),
        ("workspace", _WRITE),
        ("control", _WRITE),
        ("tmp-courier", _WRITE),
    ),
    CONTAINER_AGENT: (
        ("workspace", _WRITE),
        ("reports", _WRITE),
        ("control", _READ_ONLY),
        ("home", _WRITE),
        ("tmp-agent", _WRITE),
    ),
    CONTAINER_VERIFY: (
        ("workspace", _WRITE),
        ("reports", _WRITE),
        ("control", _READ_ONLY),
        ("home", _WRITE),
        ("tmp-agent", _WRITE),
    ),
    CONTAINER_COLLECT: (
        ("task", _READ_ONLY),
        ("workspace", _READ_ONLY),
        ("reports", _READ_ONLY),
        ("control", _READ_ONLY),
        ("outbox", _WRITE),
        ("tmp-collect", _WRITE),
    ),
    CONTAINER_PUBLISH: (
        ("task", _READ_ONLY),
        ("token-write", _READ_ONLY),
        ("ca", _READ_ONLY),
        ("courier", _WRITE),
        ("outbox", _READ_ONLY),
        ("tmp-courier", _WRITE),
    ),
}

_MERGING_MOUNTS: _Mounts = {
    **_MOUNTS,
    CONTAINER_VERIFY: (
        ("workspace", _WRITE),
        ("reports", _WRITE),
        ("control", _READ_ONLY),
        ("verdict", _WRITE),
        ("home-verify", _WRITE),
        ("tmp-verify", _WRITE),
    ),
    CONTAINER_PUBLISH: (*_MOUNTS[CONTAINER_PUBLISH], ("verdict", _READ_ONLY)),
}
"""Of a pod that merges: verify shares no folder with the agent but the work, and alone decides what is pushed."""


def pod_deadline_seconds(workflow: WorkflowSpec, *, is_merging: bool = False) -> int:
    """Return the pod's deadline in seconds: all timeouts together, with the starts of all steps, and a margin."""
    setups = len(workflow.setup) * (2 if is_merging else 1)
    steps = 3 + setups + len(workflow.verify)
    starts = 5 if workflow.verify else 4
    grace = (2 + setups + len(workflow.verify)) * workflow.agent.grace_period_seconds
    return (
        starts * workflow.start_timeout_seconds
        + steps * workflow.step_timeout_seconds
        + workflow.agent.timeout_seconds
        + grace
        + POD_DEADLINE_MARGIN_SECONDS
    )


def pod_labels(sandbox: Sandbox) -> dict[str, str]:
    """Return the labels by which the pod of a Sandbox is found."""
    return {
        LABEL_MANAGED: "true",
        LABEL_RUN_UID: sandbox.spec.run_ref.uid,
        LABEL_SANDBOX_UID: sandbox.uid,
    }


def build_pod(
    sandbox: Sandbox,
    workflow: WorkflowSpec,
    task_json: str,
    secret_name: str,
    settings: PodSettings,
    *,
    is_merging: bool = False,
) -> dict[str, Any]:
    """Return the manifest of the pod of a Sandbox.

    One that merges verifies what is pushed: after collect, without a Secret of the Workflow, as the code of the pull
    requests runs there.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": sandbox.name,
            "namespace": sandbox.namespace,
            "labels": pod_labels(sandbox),
            "annotations": {ANNOTATION_TASK: task_json},
            "finalizers": [FINALIZER],
            "ownerReferences": [sandbox.as_owner.to_json()],
        },
        "spec": _pod_spec(workflow, secret_name, settings, is_merging=is_merging),
    }


def _pod_spec(workflow: WorkflowSpec, secret_name: str, settings: PodSettings, *, is_merging: bool) -> dict[str, Any]:
    mounts = _MERGING_MOUNTS if is_merging and workflow.verify else _MOUNTS
    init = [_courier(CONTAINER_CHECKOUT, AGENT_UID, settings, mounts), _agent(CONTAINER_AGENT, workflow, mounts)]
    verify = [_agent(CONTAINER_VERIFY, workflow, mounts, has_secrets=not is_merging)] if workflow.verify else []
    collect = [_collect(workflow, settings, mounts)]
    init += [*collect, *verify] if is_merging else [*verify, *collect]
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": False,
        "activeDeadlineSeconds": pod_deadline_seconds(workflow, is_merging=is_merging),
        "terminationGracePeriodSeconds": workflow.agent.grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": SHARED_GID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{taint}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": NODE_TOLERATION_SECONDS,
            }
            for taint in ("not-ready", "unreachable")
        ],
        "initContainers": init,
        "containers": [_courier(CONTAINER_PUBLISH, COURIER_UID, settings, mounts)],
        "volumes": _volumes(workflow, secret_name, settings, mounts),
    }
    if workflow.runtime_class_name is not None:
        spec["runtimeClassName"] = workflow.runtime_class_name
    return spec


def _container(name: str, image: str, command: list[str], uid: int, mounts: _Mounts, *, has_ca: bool) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "command": command,
        "env": [{"name": ROOT_ENV, "value": LAYOUT.root}],
        "terminationMessagePath": LAYOUT.termination_log,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "runAsUser": uid,
            "runAsGroup": SHARED_GID,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": volume, "mountPath": _VOLUME_PATHS[volume], "readOnly": read_only}
            for volume, read_only in mounts[name]
            if volume != "ca" or has_ca
        ],
    }


def _courier(name: str, uid: int, settings: PodSettings, mounts: _Mounts) -> dict[str, Any]:
    command = ["python3", "-I", "-m", f"codecourier.runner.{name}"]
    container = _container(name, settings.courier_image, command, uid, mounts, has_ca=settings.has_ca)
    container["resources"] = _OUR_RESOURCES
    return container


def _collect(workflow: WorkflowSpec, settings: PodSettings, mounts: _Mounts) -> dict[str, Any]:
    container = _courier(CONTAINER_COLLECT, AGENT_UID, settings, mounts)
    container["env"] += _secret_environment(workflow, prefix=CANARY_ENV_PREFIX)
    return container


def _agent(name: str, workflow: WorkflowSpec, mounts: _Mounts, *, has_secrets: bool = True) -> dict[str, Any]:
    command = ["sh", LAYOUT.supervisor, name]
    container = _container(name, workflow.image, command, AGENT_UID, mounts, has_ca=False)
    container["env"] += [{"name": "HOME", "value": _HOME}]
    container["env"] += [{"name": variable.name, "value": variable.value} for variable in workflow.env]
    if has_secrets:
        container["env"] += _secret_environment(workflow, prefix="")
    container["resources"] = _resources(workflow)
    return container


def _secret_environment(workflow: WorkflowSpec, *, prefix: str) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{prefix}{variable.name}",
            "valueFrom": {"secretKeyRef": {"name": variable.secret_key_ref.name, "key": variable.secret_key_ref.key}},
        }
        for variable in workflow.secret_env
    ]


def _resources(workflow: WorkflowSpec) -> dict[str, Any]:
    amounts = {"cpu": workflow.resources.cpu, "memory": workflow.resources.memory}
    return {"requests": dict(amounts), "limits": dict(amounts)}


def _volumes(workflow: WorkflowSpec, secret_name: str, settings: PodSettings, mounts: _Mounts) -> list[dict[str, Any]]:
    task_item = {"path": "task.json", "fieldRef": {"fieldPath": f"metadata.annotations['{ANNOTATION_TASK}']"}}
    disk = workflow.resources.workspace
    volumes: list[dict[str, Any]] = [
        {"name": "task", "downwardAPI": {"items": [task_item], "defaultMode": 0o444}},
        {"name": "token-read", "secret": _secret(secret_name, "read", "token")},
        {"name": "token-write", "secret": _secret(secret_name, "write", "token")},
        {"name": "workspace", "emptyDir": {"sizeLimit": disk}},
        {"name": "courier", "emptyDir": {"sizeLimit": disk}},
        {"name": "outbox", "emptyDir": {"sizeLimit": disk}},
    ]
    if settings.has_ca:
        volumes.append({"name": "ca", "secret": _secret(secret_name, "ca.crt", "ca.crt")})
    small = ["control", "reports", "home", "tmp-courier", "tmp-agent", "tmp-collect"]
    if mounts is _MERGING_MOUNTS:
        small += ["verdict", "home-verify", "tmp-verify"]
    return volumes + [{"name": name, "emptyDir": {"sizeLimit": "1Gi"}} for name in small]


def _secret(name: str, key: str, path: str) -> dict[str, Any]:
    return {"secretName": name, "defaultMode": 0o440, "items": [{"key": key, "path": path}]}
