"""What kwok simulates instead of a node: pods that finish at once, with the messages that our containers leave.

A kubelet reports a pod more than once, so there are two stages: the first container runs, then all have ended. The
messages are what checkout, the supervisor, collect and publish really write, so the operator reads them as always.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import yaml

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
    UsageItem,
    frame_details,
)

__all__ = ["DETAILS", "Behaviour", "build_configuration", "build_log", "build_messages"]

_OPTIONS = {
    "podPlayStageParallelism": 32,
    "podsOnNodeSyncParallelism": 4,
    "nodePlayStageParallelism": 4,
    "nodeLeaseParallelism": 4,
    "nodeLeaseDurationSeconds": 40,
    "cidr": "10.0.0.1/24",
    "enableDebuggingHandlers": True,
}
"""kwok's own defaults, which a configuration file disables; but 32 pods at once instead of 4, which would limit what is
measured."""

DETAILS = Details(
    summary="Benchmark the operator\n\nNothing was really done: kwok plays this pod.",
    usage=(UsageItem("scripted", "Tokens", "Token", 1200, 3600),),
    steps=(StepReport(CONTAINER_AGENT, StepState.SUCCEEDED, "Succeeded", exit_code=0),),
)
"""What publish prints beside its message; the operator reads it from the log."""


class Behaviour(Enum):
    """How the pods of a namespace behave."""

    NO_CHANGE = "no-change"
    """They end at once, with nothing to change."""

    PUSHED = "pushed"
    """They end at once, and report a pushed commit."""

    HOLD = "hold"
    """They start and never end."""

    ENDED = "ended"
    """They have already ended when the operator first sees them, like yesterday's pods."""


@dataclass(frozen=True)
class _Stage:
    name: str
    behaviours: frozenset[Behaviour]
    has_begun: bool | None
    """Whether it applies to pods that have started, or to those that have not; None: to deleted ones."""

    status: str


def build_messages(pushed_commit: str | None) -> dict[str, str]:
    """Return the termination message of each container.

    Parameters
    ----------
    pushed_commit
        Commit that publish reports as pushed; None for no change.
    """
    succeeded = StepState.SUCCEEDED
    reports = (
        StepReport(CONTAINER_CHECKOUT, succeeded, "CheckedOut", "The work starts from the base commit."),
        StepReport(CONTAINER_AGENT, succeeded, "Succeeded", "The agent succeeded.", exit_code=0),
        StepReport(CONTAINER_VERIFY, succeeded, "Succeeded", "Every check passed.", exit_code=0),
        StepReport(CONTAINER_COLLECT, succeeded, "Collected", "1 path(s) changed."),
    )
    messages = {report.step: report.to_json() for report in reports}
    return messages | {CONTAINER_PUBLISH: _publish_message(pushed_commit)}


def _publish_message(commit: str | None) -> str:
    digest = frame_details(DETAILS)[1]
    agent = {"agent_state": StepState.SUCCEEDED, "agent_reason": "Succeeded", "agent_exit_code": 0}
    if commit is None:
        result = PublishResult(
            Publication.NO_CHANGE,
            "NoChange",
            "The agent changed nothing.",
            details_digest=digest,
            **agent,  # type: ignore[arg-type]
        )
    else:
        result = PublishResult(
            Publication.PUSHED,
            "Pushed",
            commit=commit,
            title="Benchmark the operator",
            files=1,
            insertions=1,
            details_digest=digest,
            **agent,  # type: ignore[arg-type]
        )
    return result.to_json()


def build_log() -> str:
    """Return the log of publish, in the form in which container runtimes keep logs."""
    return f"2026-01-01T00:00:00.000000000Z stdout F {frame_details(DETAILS)[0]}\n"


def build_configuration(
    namespaces: Mapping[str, Behaviour], pushed_commit: str, log_path: str, node_stages: str
) -> str:
    """Return kwok's whole configuration, as YAML documents.

    Parameters
    ----------
    namespaces
        How the pods of each namespace behave; pods of other namespaces are left alone.
    pushed_commit
        Commit that publish reports, where a push is reported.
    log_path
        File with the log of publish.
    node_stages
        kwok's own stages for nodes, as YAML.
    """
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokConfiguration",
            "options": _OPTIONS,
        },
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": {"name": "publish"},
            "spec": {"logs": [{"containers": [CONTAINER_PUBLISH], "logsFile": log_path}]},
        },
        *(_document(stage, namespaces) for stage in _stages(pushed_commit) if _chosen(stage, namespaces)),
    ]
    return yaml.safe_dump_all(documents, sort_keys=False) + f"---\n{node_stages}"


def _stages(pushed_commit: str) -> tuple[_Stage, ...]:
    nothing, pushed = _ended_status(build_messages(None)), _ended_status(build_messages(pushed_commit))
    finishing = frozenset({Behaviour.NO_CHANGE, Behaviour.PUSHED})
    return (
        _Stage("pod-begins", finishing | {Behaviour.HOLD}, has_begun=False, status=_BEGUN_STATUS),
        _Stage("pod-ends-without-change", frozenset({Behaviour.NO_CHANGE}), has_begun=True, status=nothing),
        _Stage("pod-ends-with-a-push", frozenset({Behaviour.PUSHED}), has_begun=True, status=pushed),
        _Stage("pod-has-ended", frozenset({Behaviour.ENDED}), has_begun=False, status=nothing),
        _Stage("pod-is-deleted", frozenset(Behaviour), has_begun=None, status=""),
    )


def _chosen(stage: _Stage, namespaces: Mapping[str, Behaviour]) -> list[str]:
    return sorted(name for name, behaviour in namespaces.items() if behaviour in stage.behaviours)


def _document(stage: _Stage, namespaces: Mapping[str, Behaviour]) -> dict[str, Any]:
    is_deleted = stage.has_begun is None
    expressions = [
        {"key": ".metadata.namespace", "operator": "In", "values": _chosen(stage, namespaces)},
        {"key": ".metadata.deletionTimestamp", "operator": "Exists" if is_deleted else "DoesNotExist"},
    ]
    if not is_deleted:
        expressions += [
            {"key": ".status.phase", "operator": "In", "values": ["Pending"]},
            {"key": ".status.startTime", "operator": "Exists" if stage.has_begun else "DoesNotExist"},
        ]
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": stage.name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": expressions},
            "next": {"delete": True} if is_deleted else {"statusTemplate": stage.status},
        },
    }


_BEGUN_STATUS = """\
{{ $now := Now }}
phase: Pending
startTime: {{ $now | Quote }}
initContainerStatuses:
{{ range $index, $container := .spec.initContainers }}
- name: {{ $container.name | Quote }}
  image: {{ $container.image | Quote }}
  imageID: ""
  ready: false
  restartCount: 0
  state:
{{ if eq $index 0 }}
    running:
      startedAt: {{ $now | Quote }}
{{ else }}
    waiting:
      reason: PodInitializing
{{ end }}
{{ end }}
"""


def _ended_status(messages: Mapping[str, str]) -> str:
    lists = {"initContainerStatuses": "initContainers", "containerStatuses": "containers"}
    parts = ["{{ $now := Now }}", "phase: Succeeded", "startTime: {{ $now | Quote }}"]
    for field, containers in lists.items():
        parts += [
            f"{field}:",
            f"{{{{ range .spec.{containers} }}}}",
            "- name: {{ .name | Quote }}",
            "  image: {{ .image | Quote }}",
            '  imageID: ""',
            "  ready: true",
            "  restartCount: 0",
            "  state:",
            "    terminated:",
            "      exitCode: 0",
            "      reason: Completed",
            "      startedAt: {{ $now | Quote }}",
            "      finishedAt: {{ $now | Quote }}",
            *_message_lines(messages),
            "{{ end }}",
        ]
    return "\n".join(parts) + "\n"


def _message_lines(messages: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for container, message in messages.items():
        # A string of JSON is one of YAML.
        lines += [f'{{{{ if eq .name "{container}" }}}}', f"      message: {json.dumps(message)}", "{{ end }}"]
    return lines
