"""A pod's containers in their order, what they are given, and how the status shows it."""

import pytest

from tests.support.processnode import Json, Pods, container, make_pod

pytestmark = pytest.mark.cluster


def terminated(pod: Json, name: str) -> Json:
    statuses = [*pod["status"].get("initContainerStatuses", []), *pod["status"]["containerStatuses"]]
    found: Json = next(item for item in statuses if item["name"] == name)["state"]["terminated"]
    return found


def condition(pod: Json, kind: str) -> Json:
    found: Json = next(item for item in pod["status"]["conditions"] if item["type"] == kind)
    return found


SHARED: Json = {"volumeMounts": [{"name": "shared", "mountPath": "/codecourier/shared"}]}
SHARED_VOLUME: Json = {"volumes": [{"name": "shared", "emptyDir": {}}]}


def test_init_containers_run_in_order_and_then_the_main_one(pods: Pods) -> None:
    steps = [container(name, f"echo {name} >> /codecourier/shared/order", **SHARED) for name in ("one", "two", "three")]
    pods.create(
        make_pod("order", *steps, container("main", "cat /codecourier/shared/order", **SHARED), **SHARED_VOLUME)
    )
    pod = pods.wait_phase("order", "Succeeded")
    assert pods.log("order", "main") == "one\ntwo\nthree\n"
    assert terminated(pod, "two")["reason"] == "Completed"


def test_a_failed_init_container_fails_the_pod_and_the_rest_never_starts(pods: Pods) -> None:
    pods.create(make_pod("failing", container("first", "exit 7"), container("main", "true")))
    pod = pods.wait_phase("failing")
    assert pod["status"]["phase"] == "Failed"
    assert terminated(pod, "first")["exitCode"] == 7
    assert terminated(pod, "first")["reason"] == "Error"
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$$$", 0), ("sh -c 'kill -TERM $$$$'", 143)])
def test_exit_codes_and_signals(pods: Pods, script: str, code: int) -> None:
    # A container's first process cannot kill itself: the kernel shields it within its PID namespace. The doubled
    # dollars are Kubernetes' way to write one.
    pods.create(make_pod("exiting", container("main", script)))
    assert terminated(pods.wait_phase("exiting"), "main")["exitCode"] == code


def test_a_termination_message_is_read_and_cut_to_the_containers_share(pods: Pods) -> None:
    long = "head -c 9000 /dev/zero | tr '\\0' x > /dev/termination-log"
    other = "printf told > /codecourier/out/end"
    pods.create(
        make_pod(
            "messages",
            container("long", long),
            *(container(f"step-{number}", "true") for number in range(3)),
            container(
                "main",
                other,
                terminationMessagePath="/codecourier/out/end",
                securityContext={"readOnlyRootFilesystem": True},
            ),
        )
    )
    pod = pods.wait_phase("messages", "Succeeded")
    assert terminated(pod, "long")["message"] == "x" * (12 * 1024 // 5)
    assert terminated(pod, "main")["message"] == "told"


def test_a_command_that_cannot_be_found_is_reported(pods: Pods) -> None:
    pods.create(make_pod("absent", {"name": "main", "image": "any", "command": ["no-such-program"]}))
    ended = terminated(pods.wait_phase("absent", "Failed"), "main")
    assert ended["reason"] == "StartError"
    assert ended["exitCode"] == 128
    assert ended["message"] == 'exec: "no-such-program": executable file not found in $PATH'


def test_the_deadline_ends_the_pod(pods: Pods) -> None:
    pods.create(
        make_pod("late", container("main", "exec sleep 600"), activeDeadlineSeconds=1, terminationGracePeriodSeconds=1)
    )
    pod = pods.wait_phase("late", "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert terminated(pod, "main")["exitCode"] == 137


def test_a_volume_over_its_limit_evicts_the_pod(pods: Pods) -> None:
    script = "head -c 3000000 /dev/zero > /codecourier/shared/big; exec sleep 600"
    volumes = [{"name": "shared", "emptyDir": {"sizeLimit": "1Mi"}}]
    pods.create(make_pod("fat", container("main", script, **SHARED), volumes=volumes))
    pod = pods.wait_phase("fat", "Failed")
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["message"] == 'Usage of EmptyDir volume "shared" exceeds the limit "1Mi". '
    assert condition(pod, "DisruptionTarget")["reason"] == "TerminationByKubelet"


def test_a_container_over_its_memory_limit_is_killed(pods: Pods) -> None:
    script = "import time; held = b'x' * 100_000_000; time.sleep(600)"
    main = {
        "name": "main",
        "image": "codecourier.dev/courier:test",
        "command": ["python3", "-c", script],
        "resources": {"limits": {"memory": "50Mi"}},
    }
    pods.create(make_pod("hungry", main))
    ended = terminated(pods.wait_phase("hungry", "Failed"), "main")
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_an_image_that_cannot_be_pulled_is_waited_for(pods: Pods) -> None:
    pods.create(make_pod("unpullable", container("main", "true", image="codecourier.dev/unpullable:1")))

    def reason(pod: Json) -> str:
        return str(pod["status"].get("containerStatuses", [{}])[0].get("state", {}).get("waiting", {}).get("reason"))

    pod = pods.wait("unpullable", lambda pod: reason(pod) == "ImagePullBackOff")
    assert pod["status"]["phase"] == "Pending"
    pods.delete("unpullable")
    pods.wait_gone("unpullable")


def test_a_pod_that_asks_for_something_else_is_refused_and_says_what(pods: Pods) -> None:
    main = container("main", "true", envFrom=[{"secretRef": {"name": "keys"}}])
    pods.create(make_pod("refused", container("first", "true"), main, restartPolicy="OnFailure"))
    pod = pods.wait_phase("refused", "Failed")
    assert pod["status"]["reason"] == "UnsupportedByProcessNode"
    expected = "does not support spec.containers[main].envFrom, spec.restartPolicy: OnFailure."
    assert expected in pod["status"]["message"]
    assert "containerStatuses" not in pod["status"]
    pods.delete("refused")
    pods.wait_gone("refused")


def test_the_status_is_written_no_more_often_than_a_container_changes(pods: Pods) -> None:
    steps = [container(name, "true") for name in ("one", "two", "three")]
    created = pods.create(make_pod("quiet", *steps, container("main", "true")))
    pod = pods.wait_phase("quiet", "Succeeded")
    version = int(created["metadata"]["resourceVersion"])
    query = f"fieldSelector=metadata.name=quiet&watch=true&resourceVersion={version}&timeoutSeconds=1"
    lines = pods.api.fetch_bytes(f"{pods.path}?{query}").splitlines()
    # Seen, four starts, the end.
    assert len(lines) <= 6
    assert pod["status"]["startTime"]
