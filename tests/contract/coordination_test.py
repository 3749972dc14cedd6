"""Leases and Events, which CodeCourier writes beside its own kinds."""

from __future__ import annotations

import asyncio

import pytest

from codecourier.kube.api import EVENTS, LEASES, Json
from codecourier.kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from tests.contract.server import Server, contract, fields_of, refusal


def lease(server: Server, holder: str, **spec: object) -> Json:
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"name": "leader", "namespace": server.namespace},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 12, "leaseTransitions": 0, **spec},
    }


def event(server: Server, **changes: object) -> Json:
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": "a.1", "namespace": server.namespace},
        "regarding": {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "namespace": server.namespace, "uid": "u"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "codecourier.dev/operator",
        "reportingInstance": "operator-1",
        "action": "Reconcile",
        "reason": "Tried",
        "note": "It was tried.",
        "type": "Normal",
        **changes,
    }


def taken(old: Json, holder: str) -> Json:
    return old | {"spec": old["spec"] | {"holderIdentity": holder}}


@contract
async def test_of_those_who_create_a_lease_at_once_one_has_it(server: Server) -> None:
    tries = [server.api.create(LEASES, lease(server, name)) for name in ("a", "b", "c")]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    (won,) = [answer for answer in answers if isinstance(answer, dict)]
    assert [type(answer) for answer in answers if not isinstance(answer, dict)] == [AlreadyExists] * 2
    assert (await server.get(LEASES, "leader"))["spec"]["holderIdentity"] == won["spec"]["holderIdentity"]


@contract
async def test_of_those_who_take_a_lease_at_once_one_has_it(server: Server) -> None:
    made = await server.api.create(LEASES, lease(server, ""))
    tries = [server.api.replace(LEASES, taken(made, name)) for name in ("a", "b", "c")]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    (won,) = [answer for answer in answers if isinstance(answer, dict)]
    assert [type(answer) for answer in answers if not isinstance(answer, dict)] == [Conflict] * 2
    assert (await server.get(LEASES, "leader")) == won


@contract
async def test_a_renewal_needs_the_version_that_was_read(server: Server) -> None:
    made = await server.api.create(LEASES, lease(server, "a"))
    renewed = await server.api.replace(LEASES, made | {"spec": made["spec"] | {"leaseTransitions": 1}})
    assert "generation" not in renewed["metadata"]
    await refusal(Conflict, server.api.replace(LEASES, taken(made, "b")))
    del made["metadata"]["resourceVersion"]
    error = await refusal(Invalid, server.api.replace(LEASES, made))
    assert fields_of(error) == {"metadata.resourceVersion"}


@contract
async def test_a_renewal_of_a_lease_that_is_gone_does_not_bring_it_back(server: Server) -> None:
    made = await server.api.create(LEASES, lease(server, "a"))
    await server.api.delete(LEASES, server.namespace, "leader")
    await refusal(Conflict, server.api.replace(LEASES, made))
    await refusal(NotFound, server.get(LEASES, "leader"))


@contract
async def test_a_lease_of_nobody_in_particular_is_made_by_a_replacement(server: Server) -> None:
    made = await server.api.replace(LEASES, lease(server, "a"))
    assert made["metadata"]["uid"]
    assert made["spec"]["holderIdentity"] == "a"
    await server.api.delete(LEASES, server.namespace, "leader")
    del made["metadata"]["uid"]
    again = await server.api.replace(LEASES, made)
    assert again["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]


@contract
async def test_a_lease_may_be_given_back(server: Server) -> None:
    made = await server.api.create(LEASES, lease(server, "a"))
    body = made | {"spec": made["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1}}
    given = await server.api.replace(LEASES, body)
    assert given["spec"].get("holderIdentity", "") == ""
    body = given | {"spec": given["spec"] | {"leaseDurationSeconds": 0}}
    error = await refusal(Invalid, server.api.replace(LEASES, body))
    assert fields_of(error) == {"spec.leaseDurationSeconds"}


@contract
async def test_an_event_comes_once(server: Server) -> None:
    made = await server.api.create(EVENTS, event(server))
    await refusal(AlreadyExists, server.api.create(EVENTS, event(server, note="Again.")))
    found = await server.get(EVENTS, "a.1")
    assert found["note"] == made["note"] == "It was tried."


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"note": "x" * 1025}, {"message"}),
        ({"note": "\u00e9" * 600}, {"message"}),
        ({"reason": "x" * 129}, {"reason"}),
        ({"reason": ""}, {"reason"}),
        ({"action": "x" * 129}, {"action"}),
        ({"action": ""}, {"action"}),
        ({"reportingInstance": "x" * 129}, {"reportingInstance"}),
        ({"reportingInstance": ""}, {"reportingInstance"}),
        ({"reportingController": ""}, {"reportingController"}),
        ({"type": "Odd"}, {"type"}),
        ({"eventTime": None}, {"eventTime"}),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, dict) else "",
)
@contract
async def test_an_event_has_bounds(server: Server, changes: Json, fields: set[str]) -> None:
    error = await refusal(Invalid, server.api.create(EVENTS, event(server, **changes)))
    assert fields_of(error) == fields


@contract
async def test_an_event_may_be_as_long_as_its_bounds(server: Server) -> None:
    most = {"note": "\u00e9" * 512, "reason": "x" * 128, "reportingInstance": "x" * 128, "action": "x" * 128}
    assert (await server.api.create(EVENTS, event(server, **most)))["note"] == most["note"]
