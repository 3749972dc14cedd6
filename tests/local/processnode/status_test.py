"""The status of a pod from what is known of its containers."""

from datetime import UTC, datetime

from codecourier.kube.api import Json
from codecourier.local.processnode.status import (
    Ending,
    KnownContainer,
    Running,
    State,
    Terminated,
    Waiting,
    build_status,
    is_different,
    refused_status,
)

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
GOOD = Terminated(0, "Completed", started=NOW, finished=NOW, container_id="id")
BAD = Terminated(2, "Error", started=NOW, finished=NOW, container_id="id")
UP = Running(NOW)


def pod() -> Json:
    inits: list[Json] = [{"name": "first", "image": "a"}]
    spec = {"restartPolicy": "Never", "initContainers": inits, "containers": [{"name": "main", "image": "c"}]}
    return {"metadata": {"name": "p", "uid": "u"}, "spec": spec, "status": {}}


def status(item: Json, *, settled: bool = False, ending: Ending | None = None, **states: State) -> Json:
    views = {name: KnownContainer(state, container_id="id") for name, state in states.items()}
    return build_status(item, views, ending, NOW, is_settled=settled)


def test_the_phase_follows_the_containers() -> None:
    assert status(pod())["phase"] == "Pending"
    assert status(pod(), first=UP)["phase"] == "Pending"
    assert status(pod(), first=GOOD)["phase"] == "Pending"
    assert status(pod(), first=GOOD, main=UP)["phase"] == "Running"
    assert status(pod(), settled=True, first=GOOD, main=GOOD)["phase"] == "Succeeded"
    assert status(pod(), settled=True, first=GOOD, main=BAD)["phase"] == "Failed"
    assert status(pod(), settled=True, first=BAD)["phase"] == "Failed"


def test_a_final_phase_waits_until_every_process_is_gone() -> None:
    assert status(pod(), first=GOOD, main=GOOD)["phase"] == "Running"
    assert status(pod(), first=BAD)["phase"] == "Pending"
    assert status(pod(), first=GOOD, main=UP, ending=Ending("DeadlineExceeded", "late"))["phase"] == "Running"


def test_a_refused_pod_has_failed_and_says_why() -> None:
    assert refused_status("Unsupported", "No.", NOW) == {
        "phase": "Failed",
        "reason": "Unsupported",
        "message": "No.",
        "startTime": "2030-01-02T03:04:05Z",
    }


def test_why_the_node_ended_the_pod_is_written_with_the_final_phase() -> None:
    ending = Ending("Evicted", "full", {"type": "DisruptionTarget", "status": "True"})
    ended = status(pod(), settled=True, first=GOOD, main=BAD, ending=ending)
    assert (ended["phase"], ended["reason"], ended["message"]) == ("Failed", "Evicted", "full")
    assert ended["conditions"] == [ending.condition]
    assert is_different({**ended, "conditions": []}, ended)
    assert not is_different({**ended, "conditions": [{"type": "Other"}, ending.condition]}, ended)


def test_a_deleted_pod_keeps_its_success_and_otherwise_fails_with_lost_containers() -> None:
    deleted = Ending("", "")
    assert status(pod(), settled=True, first=GOOD, main=GOOD, ending=deleted)["phase"] == "Succeeded"
    lost = status(pod(), settled=True, first=GOOD, ending=deleted)
    assert lost["phase"] == "Failed"
    assert "reason" not in lost
    assert lost["containerStatuses"][0]["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
    unborn = status(pod(), settled=True, ending=deleted)
    assert unborn["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


def test_messages_share_twelve_kibibytes_and_are_cut_between_characters() -> None:
    long = Terminated(0, "Completed", "ü" * 5000)
    message = status(pod(), first=long)["initContainerStatuses"][0]["state"]["terminated"]["message"]
    assert len(message.encode()) == 4096
    many = pod()
    many["spec"]["initContainers"] = [{"name": f"c{number}", "image": "i"} for number in range(8)]
    message = status(many, c0=long)["initContainerStatuses"][0]["state"]["terminated"]["message"]
    assert len(message.encode()) == 12 * 1024 // 9 - 1


def test_nothing_is_different_from_what_was_written() -> None:
    written = status(pod(), first=GOOD, main=UP)
    stored = {**written, "qosClass": "BestEffort", "conditions": [{"type": "Other"}]}
    assert not is_different(stored, written)
    assert is_different(stored, status(pod(), settled=True, first=GOOD, main=GOOD))


def test_a_waiting_container_says_why() -> None:
    waiting = status(pod(), first=Waiting("CreateContainerConfigError", 'secret "x" not found'))
    assert waiting["initContainerStatuses"][0]["state"] == {
        "waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}
    }
