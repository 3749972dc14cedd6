"""Which pods the process node refuses, and with which sentence."""

from pathlib import Path

import pytest
import yaml

from codecourier.kube.api import Json
from codecourier.local.processnode.supported import why_refused

GOLDEN = sorted(Path(__file__).parents[2].glob("data/core/pods/*.yaml"))


def pod(**fields: object) -> Json:
    return {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "command": ["true"], **fields}]}}


def with_spec(**fields: object) -> Json:
    return {"spec": {**pod()["spec"], **fields}}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_operators_pods_are_carried_out(path: Path) -> None:
    assert why_refused(yaml.safe_load(path.read_text(encoding="utf-8"))) == ""


def test_there_are_pods_of_the_operator() -> None:
    assert len(GOLDEN) > 1


@pytest.mark.parametrize(
    ("item", "named"),
    [
        (pod(envFrom=[{"secretRef": {"name": "s"}}]), "spec.containers[main].envFrom"),
        (pod(livenessProbe={"exec": {}}), "spec.containers[main].livenessProbe"),
        (
            pod(env=[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]),
            "spec.containers[main].env[A].valueFrom.resourceFieldRef",
        ),
        (
            pod(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}}]),
            "spec.containers[main].env[A].valueFrom.secretKeyRef.optional",
        ),
        (pod(terminationMessagePolicy="FallbackToLogsOnError"), "terminationMessagePolicy: FallbackToLogsOnError"),
        (pod(volumeMounts=[{"name": "v", "mountPath": "/v", "subPath": "x"}]), "volumeMounts[v].subPath"),
        (pod(command=[]), "container main without a command"),
        (with_spec(restartPolicy="Always"), "spec.restartPolicy: Always"),
        (with_spec(hostNetwork=True), "spec.hostNetwork"),
        (
            with_spec(initContainers=[{"name": "side", "command": ["true"], "restartPolicy": "Always"}]),
            "spec.initContainers[side].restartPolicy",
        ),
        (with_spec(volumes=[{"name": "v", "configMap": {"name": "c"}}]), "spec.volumes[v].configMap"),
        (with_spec(volumes=[{"name": "v", "projected": {"sources": []}}]), "spec.volumes[v].projected"),
    ],
)
def test_what_is_not_carried_out_is_named(item: Json, named: str) -> None:
    assert named in why_refused(item)
    assert why_refused(item).endswith("Change the pod, or use a cluster with a kubelet.")


def test_a_field_that_is_off_is_no_reason() -> None:
    assert why_refused(with_spec(hostNetwork=False, shareProcessNamespace=False, hostAliases=[])) == ""


def test_all_reasons_are_named_at_once() -> None:
    sentence = why_refused({"spec": {**pod(stdin=True)["spec"], "hostPID": True}})
    assert sentence.startswith("The process node does not support spec.containers[main].stdin, spec.hostPID. ")
