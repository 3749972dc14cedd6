"""What a container cannot see, read, write or signal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processnode import Json, Pods, container, is_root, make_pod

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not is_root(), reason="users, mounts and namespaces need root on Linux"),
]

AGENT: Json = {"securityContext": {"runAsUser": 65000, "runAsGroup": 65000, "allowPrivilegeEscalation": False}}


def log_of(pods: Pods, name: str, script: str, **fields: Json) -> str:
    pods.create(make_pod(name, container("main", f"exec 2>&1; {script}", **{**AGENT, **fields})))
    pods.wait_phase(name, "Succeeded")
    return pods.log(name, "main")


def test_users_groups_and_the_owner_of_an_empty_volume_are_the_pods(pods: Pods) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/codecourier/workspace"}]}
    ours = {"securityContext": {"runAsUser": 64000}}
    write = "id -u; id -g; id -G; umask 002; echo x > /codecourier/workspace/ours"
    read = "id -u; id -g; id -G; echo y >> /codecourier/workspace/ours; stat -c '%u %g %a' /codecourier/workspace"
    pods.create(
        make_pod(
            "users",
            container("first", write, **ours, **mount),
            container("main", read, **AGENT, **mount),
            volumes=[{"name": "work", "emptyDir": {}}],
            securityContext={"fsGroup": 64001, "supplementalGroups": [7]},
        )
    )
    pods.wait_phase("users", "Succeeded")
    assert pods.log("users", "first").split() == ["64000", "0", "0", "7", "64001"]
    assert pods.log("users", "main").splitlines() == ["65000", "65000", "65000 7 64001", "0 64001 2777"]


def test_a_user_id_of_root_is_refused_where_the_pod_forbids_it(pods: Pods) -> None:
    pods.create(make_pod("rootless", container("main", "true", securityContext={"runAsNonRoot": True})))

    def waiting(pod: Json) -> Json:
        statuses = pod["status"].get("containerStatuses") or [{}]
        found: Json = statuses[0].get("state", {}).get("waiting", {})
        return found

    pod = pods.wait("rootless", lambda pod: waiting(pod).get("reason") == "CreateContainerConfigError")
    assert waiting(pod)["message"] == "container has runAsNonRoot and image will run as root"


@pytest.mark.parametrize("user", [0, 65000])
def test_the_nodes_state_and_the_clusters_keys_cannot_be_seen(pods: Pods, user: int) -> None:
    hidden = [pods.node.state_dir, pods.node._cluster.layout.node_kubeconfig, pods.node._cluster.layout.key("ca")]
    script = "; ".join(f"cat {path} 2>&1 | head -c1; ls -A {path} 2>/dev/null" for path in hidden[:1])
    script += "; " + "; ".join(f"test -s {path} && echo SEEN {path}" for path in hidden[1:])
    output = log_of(pods, f"seeing-{user}", f"{script}; true", securityContext={"runAsUser": user})
    assert "SEEN" not in output
    assert "pods" not in output


def test_homes_and_temporary_files_of_the_host_cannot_be_seen(pods: Pods) -> None:
    home = Path.home()
    output = log_of(pods, "homes", f"ls -A /home {home} /tmp /var/tmp /run; ls {home}/.cache {home}/.ssh; true")
    assert "No such file" in output
    assert "codecourier" not in output.replace("codecourier.local", "")


def test_another_containers_volume_cannot_be_reached(pods: Pods) -> None:
    secret_mount = {"volumeMounts": [{"name": "courier", "mountPath": "/codecourier/courier"}]}
    find = "find / -xdev -name canary 2>/dev/null; ls /codecourier 2>&1; ls /proc/*/root/codecourier 2>/dev/null"
    pods.create(
        make_pod(
            "volumes",
            container("first", "echo x > /codecourier/courier/canary", **secret_mount),
            container("main", f"{find}; true", **AGENT),
            volumes=[{"name": "courier", "emptyDir": {}}],
        )
    )
    pods.wait_phase("volumes", "Succeeded")
    assert "canary" not in pods.log("volumes", "main")
    assert "courier\n" not in pods.log("volumes", "main").replace("/codecourier", "")


def test_a_signal_to_all_processes_stays_in_the_container(pods: Pods) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        output = log_of(pods, "killing", "kill -9 -1; ps -e -o pid= | wc -l; echo alive", securityContext={})
        assert output.splitlines()[-1] == "alive"
        assert bystander.poll() is None
        bystander.communicate(b"\n")


def test_the_end_of_the_first_process_takes_every_other_with_it(pods: Pods) -> None:
    marker = str(20_000_000 + os.getpid())
    script = f"(setsid sleep {marker} > /dev/null 2>&1 &) ; (nohup sleep {marker} &) ; echo started"
    log_of(pods, "forking", script)
    found = subprocess.run(["ps", "-e", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert f"sleep {marker}" not in found


def test_read_only_holds(pods: Pods) -> None:
    pods.create(
        make_pod(
            "read-only",
            container(
                "main",
                "exec 2>&1; touch /etc/x; touch /codecourier/control/x; touch /codecourier/work/x && echo ok; "
                "echo to > /dev/stdout",
                volumeMounts=[
                    {"name": "control", "mountPath": "/codecourier/control", "readOnly": True},
                    {"name": "work", "mountPath": "/codecourier/work"},
                ],
                securityContext={"readOnlyRootFilesystem": True, **AGENT["securityContext"]},
            ),
            volumes=[{"name": "control", "emptyDir": {}}, {"name": "work", "emptyDir": {}}],
        )
    )
    pods.wait_phase("read-only", "Succeeded")
    refused, also_refused, ok, written = pods.log("read-only", "main").splitlines()
    assert "Read-only file system" in refused
    assert "Read-only file system" in also_refused
    assert (ok, written) == ("ok", "to")


def test_a_write_to_the_root_stays_in_the_container(pods: Pods) -> None:
    output = log_of(pods, "private", "touch /etc/of-a-container && echo written", securityContext={})
    assert output == "written\n"
    assert not Path("/etc/of-a-container").exists()


def test_nothing_of_the_launcher_is_open_in_the_container(pods: Pods) -> None:
    output = log_of(pods, "descriptors", "ls /proc/$$$$/fd; true")
    assert output.split() == ["0", "1", "2"]


def test_root_in_a_container_cannot_undo_its_mounts(pods: Pods) -> None:
    script = "umount /root || echo kept; mount -o remount,rw /sys || echo kept; grep CapEff /proc/self/status"
    output = log_of(pods, "capable", script, securityContext={})
    assert output.count("kept") == 2
    allowed = int(output.split()[-1], 16)
    assert not allowed & (1 << 21), "SYS_ADMIN"
    assert not allowed & (1 << 27), "MKNOD"
