"""What docs/operations.md says of schedules is what the code does: nights, reasons, states, metrics and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codecourier.core.shared.naming import ANNOTATION_RUN_NOW, ANNOTATION_UNPAUSE
from codecourier.core.shared.reasons import Reason
from codecourier.core.slots.schedule import Pins, find_anchor, slots_between
from codecourier.core.slots.wall_clock import wall_time
from codecourier.resources.recurring_task import Disposition, Frequency, RecurringTaskPhase
from codecourier.zones import find_zone
from tests.resources.samples import Json, crds, schema_of
from tests.simulation.nights import NIGHTS, Night
from tests.support.marked import check_marked

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "operations.md"
SECTION = DOCUMENT.read_text(encoding="utf-8").partition("## Schedules\n")[2].partition("\n## ")[0]
CRDS = crds()
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def changes_of(night: Night) -> Iterator[str]:
    """Yield what clocks of the zone show around each change of the night, walked minute by minute."""
    zone = find_zone(night.zone)
    assert zone is not None
    instant = datetime.combine(night.day, datetime.min.time(), UTC) - DAY
    for _ in range(2 * DAY // MINUTE):
        expected, found = wall_time(instant, zone) + MINUTE, wall_time(instant + MINUTE, zone)
        if found != expected and (night.day in {expected.date(), found.date()} or found - expected >= DAY):
            yield f"{expected:%m-%d %H:%M} becomes {found:%m-%d %H:%M}"
        instant += MINUTE


def row_of(night: Night) -> str:
    """Return the line of a night: its zone, its change, the first task's time, and its slots around that day."""
    zone = find_zone(night.zone)
    assert zone is not None
    noon = datetime.combine(night.day, datetime.min.time(), UTC) + DAY / 2
    first = night.day - (DAY if night.frequency == "Daily" else 2 * DAY)
    schedule = find_anchor(Frequency(night.frequency), night.times[0], zone, Pins(first), noon - 3 * DAY)
    slots = list(slots_between(schedule, noon - 3 * DAY, noon + 5 * DAY))
    shown = [f"{slot.astimezone(zone):%m-%d %H:%M %z}" for slot in slots[:3]]
    change = ", ".join(changes_of(night))
    return f"| {night.zone}, {night.day} | {change} | {night.frequency} {night.times[0]:%H:%M} | {', '.join(shown)} |"


def test_the_table_of_nights_is_computed(*, update_golden: bool) -> None:
    rows = ["", "| night | clocks | a task | is due |", "|---|---|---|---|", *map(row_of, NIGHTS), "", ""]
    assert all(" becomes " in row for row in rows[3:-2])
    check_marked(DOCUMENT, "nights", "\n".join(rows), update=update_golden)


def has_field(schema: Json, path: str) -> bool:
    """Tell whether a schema has the field of a JSONPath."""
    for name in path.removeprefix("{.").removesuffix("}").replace("[*]", "").split("."):
        schema = schema.get("items", schema).get("properties", {}).get(name, {})
    return bool(schema)


def test_commands_read_fields_that_exist() -> None:
    commands = re.findall(r"kubectl get (\w+) \w+ -o jsonpath='([^']+)'", SECTION)
    kinds = {crd["spec"]["names"]["singular"]: crd for crd in CRDS.values()}
    assert len(commands) > 5
    for kind, path in commands:
        assert has_field(schema_of(kinds[kind]), path), (kind, path)
    assert not has_field(schema_of(kinds["recurringtask"]), "{.status.histories}")


def test_fields_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:spec|status)\.[\w.]+)`", SECTION))
    assert len(named) > 5
    assert [path for path in named if not has_field(schema_of(CRDS["RecurringTask"]), f"{{.{path}}}")] == []


def test_annotations_that_are_set_are_those_that_the_operator_reads() -> None:
    assert set(re.findall(r"codecourier\.dev/[a-z-]+", SECTION)) == {ANNOTATION_RUN_NOW, ANNOTATION_UNPAUSE}


def test_states_dispositions_and_reasons_are_those_of_the_code() -> None:
    words = set(re.findall(r"`([A-Z][A-Za-z]+)`", SECTION))
    known = {*map(str, RecurringTaskPhase), *map(str, Disposition), *map(str, Reason), "Ready"}
    assert words - known == set()
    assert {phase.value for phase in RecurringTaskPhase} <= words
    assert {disposition.value for disposition in Disposition} <= words
    labels = dict(re.findall(r'\{(\w+)="(\w+)"\}', SECTION))
    assert set(labels) == {"phase", "disposition"}
    assert set(labels.values()) <= words | {phase.value for phase in RecurringTaskPhase}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"codecourier_[a-z_]+", SECTION))))
def test_metrics_are_those_of_the_list(name: str) -> None:
    # tests/controller/metrics_test.py holds the list of this document to the metrics that an operator has.
    assert f"| `{name}` |" in DOCUMENT.read_text(encoding="utf-8")
