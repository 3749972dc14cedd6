"""What goes wrong on real nodes, as a kubelet reports it."""

import pytest

from codecourier.local.processnode.troubles import OUT_OF_MEMORY, SANDBOX
from tests.support.processnode import Json, Pods, container, make_pod

pytestmark = pytest.mark.cluster

HUNGRY = "dd if=/dev/zero of=/dev/null bs=200M count=100000 2>/dev/null; cat /sys/fs/cgroup/memory.events; exit 0"
LIMIT = {"resources": {"limits": {"memory": "64Mi"}}}


def terminated(pod: Json, name: str) -> Json:
    statuses = pod["status"].get("initContainerStatuses", [])
    found: Json = next((s["state"].get("terminated", {}) for s in statuses if s["name"] == name), {})
    return found


def with_annotation(pod: Json, name: str, value: str) -> Json:
    pod["metadata"]["annotations"] = {name: value}
    return pod


@pytest.mark.parametrize(("way", "count"), [("process", "1"), ("process-uncounted", "0")])
def test_a_step_whose_child_lacked_memory_ends_the_steps_and_not_the_pod(pods: Pods, way: str, count: str) -> None:
    pod = make_pod(way, container("first", HUNGRY, **LIMIT), container("second", "true"), container("main", "true"))
    pods.create(with_annotation(pod, OUT_OF_MEMORY, way))
    pod = pods.wait(way, lambda pod: bool(terminated(pod, "first")))
    assert (terminated(pod, "first")["exitCode"], terminated(pod, "first")["reason"]) == (0, "OOMKilled")
    assert pod["status"]["phase"] == "Pending"
    assert pod["status"]["initContainerStatuses"][1]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert f"\noom_kill {count}\n" in pods.log(way, "first")
    pods.delete(way, gracePeriodSeconds=1)
    pods.wait_gone(way)


@pytest.mark.parametrize(("code", "phase"), [(0, "Pending"), (143, "Failed")])
def test_a_dead_sandbox_stops_the_step_and_is_not_made_again(pods: Pods, code: int, phase: str) -> None:
    name = f"dead-{code}"
    script = f"trap 'exit {code}' TERM; echo up; while :; do sleep 0.1 & wait $!; done"
    pods.create(make_pod(name, container("first", script), container("second", "true"), container("main", "true")))
    pods.wait_log(name, "first", "up")
    pods.patch(f"pods/{name}", {"metadata": {"annotations": {SANDBOX: "dead"}}})
    pod = pods.wait(name, lambda pod: bool(terminated(pod, "first")))
    assert (terminated(pod, "first")["exitCode"], pod["status"]["phase"]) == (code, phase)
    pods.delete(name, gracePeriodSeconds=1)
    pods.wait_gone(name)


def test_an_image_without_a_shell_cannot_be_started_in_the_words_of_containerd(pods: Pods) -> None:
    image = "codecourier.dev/without-shell:1"
    pods.create(make_pod("shell-less", container("first", "true", image=image), container("main", "true")))
    ended = terminated(pods.wait_phase("shell-less", "Failed"), "first")
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert ended["startedAt"] == "1970-01-01T00:00:00Z"
    assert ended["message"].endswith('exec: "sh": executable file not found in $PATH')
