"""The simulated forge answers whatever the operator asks a host, so that no seed ends in an unknown question."""

from __future__ import annotations

import importlib
import pkgutil
from random import Random

from codecourier import controller
from codecourier.github.api import Operation
from codecourier.github.operations.look_at_each_pull_request import LookAtEachPullRequest
from codecourier.github.operations.merge_queue import LeaveQueue
from codecourier.github.operations.read_failed_checks import ReadFailedChecks
from tests.simulation.forge import ForgeClient, ForgeServer
from tests.simulation.network import Network
from tests.support.worlds import NOW

NEVER_ASKED = {LookAtEachPullRequest, LeaveQueue, ReadFailedChecks}
"""For hosts without GraphQL, and for those with a merge queue: the simulated forge is neither. No project of the
simulation has follow-ups."""


def operations() -> set[type]:
    """Return every operation that a module of the controller names."""
    names = [module.name for module in pkgutil.iter_modules(controller.__path__, f"{controller.__name__}.")]
    named = (value for name in names for value in vars(importlib.import_module(name)).values())
    return {v for v in named if isinstance(v, type) and issubclass(v, Operation) and v is not Operation}


def test_the_simulated_forge_knows_every_operation() -> None:
    client = ForgeClient(ForgeServer(lambda: NOW), "operator", Network(Random(1), 0.0))
    assert operations() > NEVER_ASKED
    assert operations() - NEVER_ASKED <= client.operations
