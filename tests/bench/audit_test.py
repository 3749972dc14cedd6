"""Writes out of an audit log."""

import json
from typing import Any

from bench.audit import OPERATOR_AGENTS, WriteClass, parse_writes, tally


def line(verb: str, resource: str, agent: str = "codecourier-operator", **more: Any) -> bytes:
    reference = {"resource": resource, "namespace": "shop", "name": "one", **more.pop("reference", {})}
    entry = {
        "stage": "ResponseComplete",
        "verb": verb,
        "userAgent": agent,
        "objectRef": reference,
        "responseStatus": {"code": more.pop("code", 200)},
        **more,
    }
    return json.dumps(entry).encode()


def test_reads_and_other_stages_are_no_writes() -> None:
    lines = [
        line("create", "runs"),
        line("watch", "runs"),
        line("get", "runs"),
        line("create", "runs", stage="ResponseStarted"),
        b"",
    ]
    (write,) = parse_writes(lines)
    assert (write.verb, write.resource, write.namespace, write.name) == ("create", "runs", "shop", "one")


def test_the_agent_is_known_without_its_version() -> None:
    agents = ["codecourier-operator", "kopf/1.45.2", "kwok/v0.8.0 (linux/amd64)", ""]
    writes = parse_writes([line("create", "pods", agent) for agent in agents])
    assert [write.agent for write in writes] == ["codecourier-operator", "kopf", "kwok", ""]
    assert tally(writes, lambda write: write.agent in OPERATOR_AGENTS).objects == 2


def test_events_and_leases_are_counted_apart() -> None:
    counted = tally(parse_writes([line("create", "pods"), line("create", "events"), line("update", "leases")]))
    assert (counted.objects, counted.events, counted.leases) == (1, 1, 1)


def test_a_status_is_another_write_than_its_object_and_a_refusal_is_named() -> None:
    status = line("update", "runs", reference={"subresource": "status"})
    writes = parse_writes([status, status, line("update", "runs", code=409), line("patch", "runs")])
    assert tally(writes).by_label == {"update runs/status": 2, "update runs (409)": 1, "patch runs": 1}
    assert next(iter(tally(writes).by_label)) == "update runs/status"


def test_a_write_without_an_object_is_counted_too() -> None:
    entry = {"stage": "ResponseComplete", "verb": "post", "userAgent": "curl/8"}
    (write,) = parse_writes([json.dumps(entry).encode()])
    assert (write.resource, write.status, write.write_class) == ("?", 0, WriteClass.OBJECT)
