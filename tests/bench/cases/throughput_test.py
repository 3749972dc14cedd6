"""How Runs a minute are compared with the raw write limit."""

import pytest

from bench.audit import Write
from bench.cases.throughput import ThroughputPlan, _processor, _result
from bench.report import Figure

PLAN = ThroughputPlan(
    "runs", "bench-runs", has_pull_requests=False, runs=10, raw=100, target_ratio=0.6, target_runs=1200
)


def figures(writes: list[Write], raw: tuple[float, float], seconds: float) -> dict[str, Figure]:
    processor = _processor({"operator": 0.3, "etcd": 0.2}, PLAN.runs)
    return {figure.name: figure for figure in _result(PLAN, raw, seconds, writes, processor, {}).figures}


def write(resource: str, agent: str = "codecourier-operator") -> Write:
    return Write(agent, "create", resource, "bench-runs", "one", 201)


def test_all_writes_but_leases_count_against_the_raw_limit_and_only_ours_as_ours() -> None:
    writes = (
        [write("pods")] * 100 + [write("events")] * 40 + [write("pods/status", "kwok")] * 60 + [write("leases")] * 9
    )
    found = figures(writes, (300, 500), seconds=1)
    assert found["raw writes"].value == pytest.approx(400)
    assert found["writes by all clients"].value == pytest.approx(20)
    assert found["writes by the operator"].value == pytest.approx(10)
    # The raw limit would allow 400/20 Runs a second.
    assert found["Runs a second"].ratio == pytest.approx(10 / 20)
    assert found["Runs a second"].is_reached is False


def test_runs_a_minute_are_scaled_to_the_raw_limit_of_this_machine() -> None:
    found = figures([write("pods")] * 10, (225, 225), seconds=1)
    assert found["Runs a minute"].value == pytest.approx(600)
    assert found["Runs a minute"].ratio == pytest.approx(1)
    assert found["Runs a minute"].is_reached is True


def test_processor_time_is_reported_for_one_run() -> None:
    found = figures([write("pods")], (450, 450), seconds=1)
    assert found["processor time of the operator"].value == pytest.approx(30)
    assert found["processor time of all processes"].value == pytest.approx(50)
