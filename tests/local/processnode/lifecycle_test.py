"""Deletion, logs, and what becomes of pods whose node was killed or cut off."""

import os
import signal
from collections.abc import Callable
from functools import partial

import orjson
import pytest

from codecourier.local.processes import wait_until
from codecourier.local.processnode.container import Container
from tests.support.processnode import Json, OwnNode, Pods, container, make_pod

pytestmark = pytest.mark.cluster

RUNNING = "echo up; while :; do sleep 0.1; done"
WAITING = "trap 'echo asked; exit 5' TERM; echo up; while :; do sleep 0.1 & wait $!; done"


def started(pods: Pods, name: str, script: str, **spec: object) -> Container:
    pod = pods.create(make_pod(name, container("main", script), **spec))
    pods.wait_log(name, "main", "up")
    return Container(pods.node.state_dir / "pods" / pod["metadata"]["uid"] / "containers" / "main")


def ends(of: Container) -> bool:
    return wait_until(lambda: not of.is_running(), timeout_seconds=60)


def state(pod: Json) -> Json:
    found: Json = pod["status"]["containerStatuses"][0]["state"]
    return found


def test_a_deleted_pod_is_asked_first_and_its_object_goes_last(pods: Pods) -> None:
    pod = make_pod("polite", container("main", WAITING))
    pod["metadata"]["finalizers"] = ["codecourier.dev/test"]
    pods.create(pod)
    pods.wait_log("polite", "main", "up")
    pods.delete("polite")
    # The finalizer keeps the object, so that the last status can be seen.
    last = pods.wait_phase("polite", "Failed")
    assert state(last)["terminated"]["exitCode"] == 5
    pods.wait("polite", lambda pod: pod["metadata"]["deletionGracePeriodSeconds"] == 0)
    pods.patch("pods/polite", {"metadata": {"finalizers": None}})
    pods.wait_gone("polite")


def test_a_container_that_ignores_the_signal_is_killed_after_the_grace_period(pods: Pods) -> None:
    main = started(pods, "deaf", RUNNING, terminationGracePeriodSeconds=1)
    pods.delete("deaf")
    pods.wait_gone("deaf")
    assert not main.is_running()
    assert wait_until(lambda: not main.folder.exists(), timeout_seconds=60)


def test_a_shorter_grace_period_counts_from_when_it_is_asked_for(pods: Pods) -> None:
    main = started(pods, "hurried", RUNNING, terminationGracePeriodSeconds=3600)
    pods.delete("hurried")
    pods.delete("hurried", gracePeriodSeconds=1)
    pods.wait_gone("hurried")
    assert not main.is_running()


def test_a_pod_deleted_by_force_is_killed_all_the_same(pods: Pods) -> None:
    main = started(pods, "forced", RUNNING, terminationGracePeriodSeconds=1)
    pods.delete("forced", gracePeriodSeconds=0)
    assert ends(main)


def test_a_pod_deleted_before_it_could_start_goes_away(pods: Pods) -> None:
    volumes = [{"name": "token", "secret": {"secretName": "never"}}]
    pods.create(make_pod("unborn", container("first", "true"), container("main", "true"), volumes=volumes))
    pods.wait_phase("unborn", "Pending")
    pods.delete("unborn")
    pods.wait_gone("unborn")


def test_a_pod_whose_final_phase_another_writer_set_is_stopped(pods: Pods) -> None:
    main = started(pods, "condemned", RUNNING, terminationGracePeriodSeconds=1)
    pods.patch("pods/condemned/status", {"status": {"phase": "Failed", "reason": "NodeLost"}})
    assert ends(main)
    assert pods.get("condemned")["status"]["reason"] == "NodeLost"


def test_logs_can_be_cut_and_followed_to_the_end(pods: Pods) -> None:
    pods.create(make_pod("logging", container("main", "echo one; echo two >&2; printf three")))
    pods.wait_phase("logging", "Succeeded")
    assert pods.log("logging", "main", follow="true") == pods.log("logging", "main") == "one\ntwo\nthree"
    assert pods.log("logging", "main", tailLines="1") == "three"
    assert pods.log("logging", "main", limitBytes="2") == "on"
    refused = pods.api.request("GET", f"{pods.path}/logging/log?container=main&timestamps=true")
    assert "does not know the log option timestamps" in refused.json["message"]


def test_a_log_is_followed_while_it_grows(pods: Pods) -> None:
    volumes = [{"name": "gate", "emptyDir": {}}]
    mounts = {"volumeMounts": [{"name": "gate", "mountPath": "/codecourier/gate"}]}
    script = "echo up; until [ -e /codecourier/gate/open ]; do sleep 0.05; done; echo end"
    pod = pods.create(make_pod("growing", container("main", script, **mounts), volumes=volumes))
    pods.wait_log("growing", "main", "up")
    gate = pods.node.state_dir / "pods" / pod["metadata"]["uid"] / "volumes" / "gate" / "open"
    # Opened once the reader has connected would need a sleep; a follower that came early must still see the end.
    gate.touch()
    assert pods.log("growing", "main", follow="true") == "up\nend\n"


def test_the_log_of_a_container_that_has_not_started_says_so(pods: Pods) -> None:
    pods.create(make_pod("not-yet", container("first", RUNNING), container("main", "true")))
    pods.wait_log("not-yet", "first", "up")
    answer = pods.api.request("GET", f"{pods.path}/not-yet/log?container=main")
    assert answer.status == 400
    assert 'container "main" in pod "not-yet" is waiting to start: PodInitializing' in answer.json["message"]


def test_a_restarted_node_takes_its_running_containers_up_again(pods: Pods, own_node: OwnNode) -> None:
    main = started(pods, "survivor", WAITING)
    first = main.first_process()
    own_node.kill()
    assert main.is_running()
    own_node.start()
    pods.delete("survivor")
    pods.wait_gone("survivor")
    assert first
    assert not main.is_running()


def test_what_ended_while_the_node_was_dead_is_reported_when_it_is_back(pods: Pods, own_node: OwnNode) -> None:
    main = started(pods, "unseen", "trap 'exit 4' TERM; echo up; while :; do sleep 0.1 & wait $!; done")
    own_node.kill()
    main.signal(signal.SIGTERM)
    assert ends(main)
    own_node.start()
    pod = pods.wait_phase("unseen")
    assert state(pod)["terminated"]["exitCode"] == 4


def test_a_container_that_vanished_with_its_launcher_counts_as_lost(pods: Pods, own_node: OwnNode) -> None:
    main = started(pods, "vanished", RUNNING)
    own_node.kill()
    launcher = orjson.loads((main.folder / "state.json").read_bytes())["launcher"]
    first = main.first_process()
    os.kill(launcher, signal.SIGKILL)
    assert ends(main)
    # The kernel kills the first process with its launcher.
    assert wait_until(lambda: main.first_process() != first, timeout_seconds=60)
    own_node.start()
    pod = pods.wait_phase("vanished", "Failed")
    assert state(pod)["terminated"]["reason"] == "ContainerStatusUnknown"
    assert state(pod)["terminated"]["exitCode"] == 137


def test_a_pod_that_was_deleted_while_the_node_was_dead_is_killed_when_it_is_back(
    pods: Pods, own_node: OwnNode
) -> None:
    main = started(pods, "orphan", RUNNING, terminationGracePeriodSeconds=1)
    own_node.kill()
    pods.delete("orphan", gracePeriodSeconds=0)
    pods.wait_gone("orphan")
    assert main.is_running()
    own_node.start()
    assert ends(main)
    assert wait_until(lambda: not main.folder.exists(), timeout_seconds=60)


def test_a_node_that_is_stopped_takes_its_containers_with_it(pods: Pods, own_node: OwnNode) -> None:
    main = started(pods, "leaving", WAITING)
    own_node.stop()
    assert not main.is_running()
    own_node.start()
    assert state(pods.wait_phase("leaving", "Failed"))["terminated"]["exitCode"] == 5


def lease_time(pods: Pods) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{pods.node.name}"
    return str(pods.api.fetch("GET", path)["spec"]["renewTime"])


def test_a_node_disappears_and_comes_back_with_the_old_pod_running(pods: Pods, own_node: OwnNode) -> None:
    main = started(pods, "cut-off", RUNNING, terminationGracePeriodSeconds=1)
    ending = started(pods, "ending", "trap 'exit 6' TERM; echo up; while :; do sleep 0.1 & wait $!; done")
    assert wait_until(lambda: _is_answered(partial(lease_time, pods)), timeout_seconds=60)
    own_node.disappear()
    before = lease_time(pods)
    pods.delete("cut-off", gracePeriodSeconds=0)
    pods.wait_gone("cut-off")
    ending.signal(signal.SIGTERM)
    assert ends(ending)
    # The old pod runs on, while a new one of its name already exists.
    assert main.is_running()
    assert pods.get("ending")["status"]["phase"] == "Running"
    assert lease_time(pods) == before
    pods.create(make_pod("cut-off", container("main", "echo new")))
    own_node.come_back()
    assert ends(main)
    assert state(pods.wait_phase("ending", "Failed"))["terminated"]["exitCode"] == 6
    pods.wait_phase("cut-off", "Succeeded")
    assert pods.log("cut-off", "main") == "new\n"
    assert wait_until(lambda: lease_time(pods) > before, timeout_seconds=60)


def _is_answered(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except Exception:  # noqa: BLE001 - not there yet
        return False
    return True


def test_the_node_is_registered_as_a_kubelet_does_it(pods: Pods) -> None:
    node = pods.api.fetch("GET", f"/api/v1/nodes/{pods.node.name}")
    assert {"type": "InternalIP", "address": "127.0.0.1"} in node["status"]["addresses"]
    assert next(item["status"] for item in node["status"]["conditions"] if item["type"] == "Ready") == "True"
    assert node["status"]["allocatable"]["pods"]
