"""The stages that kwok simulates."""

from typing import Any

import pytest
import yaml

from bench.stages import DETAILS, Behaviour, build_configuration, build_log, build_messages
from codecourier.task import CONTAINER_PUBLISH, Publication, PublishResult, StepReport, StepState, parse_details

COMMIT = "a" * 40
NODE_STAGES = "kind: Stage\nmetadata:\n  name: node-initialize\n"


def documents(namespaces: dict[str, Behaviour]) -> dict[str, dict[str, Any]]:
    text = build_configuration(namespaces, COMMIT, "/logs/publish.log", NODE_STAGES)
    loaded = list(yaml.safe_load_all(text))
    return {document.get("metadata", {}).get("name", document["kind"]): document for document in loaded}


def namespaces_of(stage: dict[str, Any]) -> list[str]:
    expressions = stage["spec"]["selector"]["matchExpressions"]
    (values,) = [e["values"] for e in expressions if e["key"] == ".metadata.namespace"]
    return list(values)


def test_each_step_leaves_a_message_that_the_operator_can_read() -> None:
    messages = build_messages(COMMIT)
    publish = PublishResult.from_json(messages.pop(CONTAINER_PUBLISH))
    reports = {name: StepReport.from_json(message) for name, message in messages.items()}
    assert set(reports) == {"checkout", "agent", "verify", "collect"}
    assert all(name == report.step for name, report in reports.items())
    assert all(report.state is StepState.SUCCEEDED for report in reports.values())
    assert (publish.state, publish.commit) == (Publication.PUSHED, COMMIT)


def test_nothing_to_change_names_no_commit() -> None:
    publish = PublishResult.from_json(build_messages(None)[CONTAINER_PUBLISH])
    assert (publish.state, publish.commit) == (Publication.NO_CHANGE, None)


def test_the_log_has_the_details_that_publish_names() -> None:
    publish = PublishResult.from_json(build_messages(None)[CONTAINER_PUBLISH])
    assert publish.details_digest is not None
    assert parse_details(build_log(), publish.details_digest) == DETAILS


def test_pods_of_each_namespace_go_as_it_says() -> None:
    found = documents({"a": Behaviour.NO_CHANGE, "b": Behaviour.PUSHED, "c": Behaviour.HOLD, "d": Behaviour.ENDED})
    stages = {name: namespaces_of(d) for name, d in found.items() if name.startswith("pod-")}
    assert stages == {
        "pod-begins": ["a", "b", "c"],
        "pod-ends-without-change": ["a"],
        "pod-ends-with-a-push": ["b"],
        "pod-has-ended": ["d"],
        "pod-is-deleted": ["a", "b", "c", "d"],
    }


def test_a_stage_that_no_namespace_uses_is_left_out() -> None:
    # An empty list of values would match every pod.
    assert set(documents({"a": Behaviour.HOLD})) >= {"pod-begins", "pod-is-deleted"}
    assert "pod-ends-with-a-push" not in documents({"a": Behaviour.HOLD})


@pytest.mark.parametrize("name", ["pod-ends-without-change", "pod-ends-with-a-push"])
def test_only_a_pod_that_has_begun_ends_so_that_no_stage_comes_twice(name: str) -> None:
    found = documents({"a": Behaviour.NO_CHANGE, "b": Behaviour.PUSHED})
    begins = found["pod-begins"]["spec"]["selector"]["matchExpressions"]
    ends = found[name]["spec"]["selector"]["matchExpressions"]
    assert {"key": ".status.startTime", "operator": "DoesNotExist"} in begins
    assert {"key": ".status.startTime", "operator": "Exists"} in ends
    assert "startTime:" in found["pod-begins"]["spec"]["next"]["statusTemplate"]


def test_messages_are_in_the_template_of_their_container() -> None:
    template = documents({"b": Behaviour.PUSHED})["pod-ends-with-a-push"]["spec"]["next"]["statusTemplate"]
    for container, message in build_messages(COMMIT).items():
        _, found, after = template.partition(f'{{{{ if eq .name "{container}" }}}}\n')
        assert found
        line = after.splitlines()[0].strip()
        assert yaml.safe_load(line) == {"message": message}


def test_the_nodes_own_stages_and_the_log_are_taken_along() -> None:
    found = documents({"a": Behaviour.NO_CHANGE})
    assert "node-initialize" in found
    assert found["publish"]["spec"]["logs"] == [{"containers": ["publish"], "logsFile": "/logs/publish.log"}]
