"""What a process that does not lead says of it: who started it would otherwise wait for they know not what."""

from __future__ import annotations

import logging

import pytest

from codecourier.kube.errors import NotFound
from tests.simulation.clock import pass_time, virtual
from tests.simulation.network import Call
from tests.support.election import Election


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Return what the election logs."""
    caplog.set_level(logging.INFO, logger="codecourier.kube.lease")
    return caplog


@virtual
async def test_a_standby_says_once_who_leads(said: pytest.LogCaptureFixture) -> None:
    election = Election()
    election.candidate("a")
    await pass_time(5.0)
    election.candidate("b")
    await pass_time(60.0)
    assert said.messages == ["leading by the Lease default/leader", "standing by: 'a' holds the Lease default/leader"]


@virtual
async def test_a_namespace_that_is_not_there_is_named_once_and_waited_for(said: pytest.LogCaptureFixture) -> None:
    def refuse(call: Call) -> Exception | None:
        return NotFound(404, "NotFound", "namespaces 'default' not found") if call.verb == "create" else None

    election = Election()
    election.network.refuse = refuse
    first = election.candidate("a")
    await pass_time(60.0)
    (record,) = said.records
    assert (record.levelname, "no namespace 'default'" in record.message) == ("WARNING", True)
    election.network.refuse = lambda _: None
    await pass_time(5.0)
    assert first.leads
