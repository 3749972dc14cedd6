"""Sandbox pods of a few Workflows, for golden files and for the real API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codecourier.core.run.start import build_sandbox
from codecourier.core.sandbox.pods import build_pod
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.resources.workflow import EnvironmentVariable, SecretKeyReference, SecretVariable
from tests.support.worlds import make_run, make_workflow, queued

__all__ = ["CASES", "case_pod"]

_SECRET = SecretVariable(name="API_KEY", secret_key_ref=SecretKeyReference(name="model", key="key"))
_ALL: dict[str, Any] = {
    "setup": ("make tools",),
    "verify": ("make test",),
    "env": (EnvironmentVariable(name="MODEL", value="large"),),
    "secret_env": (_SECRET,),
}

CASES: Mapping[str, tuple[dict[str, Any], PodSettings]] = {
    "minimal": ({}, PodSettings("courier")),
    "verify": ({"verify": ("make test",)}, PodSettings("courier")),
    "secret-env": ({"secret_env": (_SECRET,)}, PodSettings("courier")),
    "ca": ({}, PodSettings("courier", has_ca=True)),
    "runtime-class": ({"runtime_class_name": "gvisor"}, PodSettings("courier")),
    "everything": (_ALL, PodSettings("courier", has_ca=True)),
}
"""Changes of the smallest Workflow, and the settings of the pod, by name of the golden file."""


def case_pod(name: str, namespace: str) -> dict[str, Any]:
    """Return the pod of a case."""
    changes, settings = CASES[name]
    run = make_run(metadata={"namespace": namespace})
    sandbox = build_sandbox(queued(run), 1, 1)
    sandbox = sandbox.updated(metadata=sandbox.metadata.updated(uid="uid-sandbox"))
    return build_pod(sandbox, make_workflow(**changes).spec, '{"task":"as JSON"}', "tokens", settings)
