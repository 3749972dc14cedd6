"""What a container is given: environment, files, programs."""

import base64
from pathlib import Path

import orjson
import pytest

from codecourier.local.processes import wait_until
from tests.support.processnode import Json, Pods, container, make_pod

pytestmark = pytest.mark.cluster


def secret(name: str, **content: str) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}


def test_the_environment_is_the_pods_and_nothing_of_the_nodes(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    pods.create_object("secrets", secret("keys", token="canary"))
    env = [
        {"name": "NAME", "value": "given"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "GREETING", "value": "hello $(NAME), $$(NAME), $(NOBODY)"},
    ]
    main = container("main", "env", env=env, workingDir="/usr")
    pods.create(make_pod("given", main))
    pods.wait_phase("given", "Succeeded")
    found = dict(line.split("=", 1) for line in pods.log("given", "main").splitlines())
    assert found.pop("PATH").endswith("/usr/bin:/sbin:/bin")
    assert found == {
        "GREETING": "hello given, $(NAME), $(NOBODY)",
        "HOME": "/root",
        "HOSTNAME": "given",
        "NAME": "given",
        "PWD": "/usr",
        "TOKEN": "canary",
    }


def test_no_secret_is_among_the_arguments_of_any_process(pods: Pods) -> None:
    pods.create_object("secrets", secret("keys", token="canary-in-argv"))
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}]
    pods.create(make_pod("hidden", container("main", "echo up; exec sleep 600", env=env)))
    pods.wait_log("hidden", "main", "up")
    pods.create(make_pod("lister", container("main", "true")))
    assert "canary-in-argv" not in _all_arguments()
    pods.delete("hidden", gracePeriodSeconds=1)
    pods.wait_gone("hidden")


def _all_arguments() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def test_a_missing_secret_is_waited_for_in_the_kubelets_words(pods: Pods) -> None:
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "later", "key": "token"}}}]
    pods.create(make_pod("patient", container("main", "echo $TOKEN", env=env)))

    def waiting(pod: Json) -> Json:
        statuses = pod["status"].get("containerStatuses") or [{}]
        found: Json = statuses[0].get("state", {}).get("waiting", {})
        return found

    pod = pods.wait("patient", lambda pod: waiting(pod).get("reason") == "CreateContainerConfigError")
    assert waiting(pod)["message"] == 'secret "later" not found'
    pods.create_object("secrets", secret("later", other="x"))
    message = f"couldn't find key token in Secret {pods.namespace}/later"
    pods.wait("patient", lambda pod: waiting(pod).get("message") == message)
    pods.patch("secrets/later", {"stringData": {"token": "there"}})
    pods.wait_phase("patient", "Succeeded")
    assert pods.log("patient", "main") == "there\n"


def test_a_volume_of_a_missing_secret_is_reported_by_an_event(pods: Pods) -> None:
    volumes = [{"name": "token", "secret": {"secretName": "absent"}}]
    mounts = [{"name": "token", "mountPath": "/codecourier/token"}]
    pods.create(make_pod("mounting", container("main", "true", volumeMounts=mounts), volumes=volumes))
    pods.wait_phase("mounting", "Pending")
    events = f"/api/v1/namespaces/{pods.namespace}/events?fieldSelector=involvedObject.name=mounting"
    assert wait_until(lambda: bool(pods.api.fetch("GET", events)["items"]), timeout_seconds=60)
    event = pods.api.fetch("GET", events)["items"][0]
    assert event["reason"] == "FailedMount"
    assert event["message"] == 'MountVolume.SetUp failed for volume "token" : secret "absent" not found'
    pods.create_object("secrets", secret("absent", token="x"))
    pods.wait_phase("mounting", "Succeeded")


def test_volumes_show_only_what_they_name_with_the_kubelets_links_and_modes(pods: Pods) -> None:
    pods.create_object("secrets", secret("tokens", read="r-canary", write="w-canary"))
    task = {"note": 'it\'s "quoted" ünïcode \n'}
    pod = make_pod(
        "files",
        container(
            "main",
            "cd /codecourier; ls token; cat token/token; echo; "
            "readlink token/token; readlink token/..data | cut -c1-3; "
            "stat -L -c %a token/token; cat task/task.json; echo; touch token/new || echo refused",
            volumeMounts=[
                {"name": "token", "mountPath": "/codecourier/token"},
                {"name": "task", "mountPath": "/codecourier/task"},
            ],
        ),
        volumes=[
            {
                "name": "token",
                "secret": {"secretName": "tokens", "defaultMode": 0o400, "items": [{"key": "read", "path": "token"}]},
            },
            {
                "name": "task",
                "downwardAPI": {
                    "items": [
                        {
                            "path": "task.json",
                            "fieldRef": {"fieldPath": "metadata.annotations['codecourier.dev/task']"},
                        }
                    ]
                },
            },
        ],
    )
    pod["metadata"]["annotations"] = {"codecourier.dev/task": orjson.dumps(task).decode()}
    pods.create(pod)
    pods.wait_phase("files", "Succeeded")
    lines = [line for line in pods.log("files", "main").splitlines() if "touch:" not in line]
    assert lines == ["token", "r-canary", "..data/token", "..2", "400", orjson.dumps(task).decode(), "refused"]


def test_a_rotated_secret_reaches_a_running_container(pods: Pods) -> None:
    pods.create_object("secrets", secret("rotating", token="old"))
    script = "echo has $(cat /codecourier/token/token); until grep -q new /codecourier/token/token; do sleep 0.05; done"
    mounts = [{"name": "token", "mountPath": "/codecourier/token"}]
    volumes = [{"name": "token", "secret": {"secretName": "rotating"}}]
    pods.create(make_pod("reading", container("main", script, volumeMounts=mounts), volumes=volumes))
    pods.wait_log("reading", "main", "has old")
    encoded = base64.b64encode(b"new").decode()
    pods.patch("secrets/rotating", {"data": {"token": encoded}})
    pods.wait_phase("reading", "Succeeded")


def test_our_image_has_the_steps_and_any_other_the_hosts_programs(pods: Pods) -> None:
    script = "import codecourier.runner.publish, sys; print(sys.flags.isolated, sys.prefix)"
    ours = {
        "name": "ours",
        "image": "codecourier.dev/courier:0.1.0",
        "command": ["python3", "-I", "-c", script],
        "securityContext": {"runAsUser": 64000, "readOnlyRootFilesystem": True},
    }
    pods.create(make_pod("images", ours, container("main", "git --version", securityContext={"runAsUser": 65000})))
    pods.wait_phase("images", "Succeeded")
    assert pods.log("images", "ours") == "1 /opt/codecourier\n"
    assert pods.log("images", "main").startswith("git version ")
