"""Reads the agent's reports: bounded, cleaned, and never through a link."""

import json
import re
import time
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from codecourier.runner.canaries import Canaries
from codecourier.runner.remote import parse_retry_after
from codecourier.runner.step import one_line
from codecourier.runner.walk import Tree
from codecourier.task import (
    LEARNING_MAX_BYTES,
    LEARNINGS_MAX_COUNT,
    NOTES_MAX_COUNT,
    QUANTITY_MAX,
    USAGE_MAX_ITEMS,
    Details,
    StepReport,
    StepState,
    TaskError,
    UsageItem,
)
from codecourier.text import visible

__all__ = [
    "LEARNINGS_FILE",
    "RETRY_AFTER_FILE",
    "SUMMARY_FILE",
    "USAGE_FILE",
    "clean_text",
    "cut_bytes",
    "read_details",
]

SUMMARY_FILE = "summary.md"
USAGE_FILE = "usage.jsonl"
LEARNINGS_FILE = "learnings.jsonl"
RETRY_AFTER_FILE = "retry-after"

_SUMMARY_MAX_BYTES = 60 * 1024
_LINES_MAX_BYTES = 1024 * 1024
_OUTPUT_MAX_BYTES = 4096
_OUTPUT_LINES = 20
_CUT_BYTES = LEARNING_MAX_BYTES - len("…".encode())
_RETRY_AFTER_MAX_SECONDS = 7 * 86_400
_SERVICES_MAX_COUNT = 8
_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")


def clean_text(data: bytes) -> str:
    """Make plain text: UTF-8, no terminal sequences or control characters, lines ended by newlines."""
    text = _ANSI.sub("", data.decode("utf-8", "replace")).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        character for character in text if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs"}
    )


def cut_bytes(text: str, maximum: int) -> str:
    """Cut a text to a number of bytes of UTF-8, between characters."""
    return text.encode()[:maximum].decode("utf-8", "ignore")


def read_details(reports: Tree, canaries: Canaries, notes: list[str]) -> Details:
    """Read all reports.

    Parameters
    ----------
    reports
        The folder that agent and verify wrote to.
    canaries
        Values that must not occur in them.
    notes
        Remarks so far; this adds what it leaves out.

    Raises
    ------
    StepError
        If a report holds a secret value.
    """
    present = {entry.path: entry for entry in reports.list(b"")}
    for name in (SUMMARY_FILE, USAGE_FILE, LEARNINGS_FILE, RETRY_AFTER_FILE):
        entry = present.get(name.encode())
        if entry is not None and not entry.is_file:
            notes.append(f"The report {name} is not a regular file and was left out.")

    def read(name: str, maximum: int) -> bytes:
        content = reports.read(name.encode(), maximum + 1) or b""
        canaries.check(content, f"the report {name}")
        if len(content) > maximum:
            notes.append(f"The report {name} was cut at {maximum} bytes.")
        return content[:maximum]

    summary = clean_text(read(SUMMARY_FILE, _SUMMARY_MAX_BYTES)).strip()
    _search(canaries, summary, SUMMARY_FILE)
    usage = _read_usage(read(USAGE_FILE, _LINES_MAX_BYTES), notes)
    for item in usage:
        _search(canaries, f"{item.service}\n{item.kind}\n{item.unit}", USAGE_FILE)
    learnings = _read_learnings(read(LEARNINGS_FILE, _LINES_MAX_BYTES), canaries, notes)
    steps = tuple(_read_steps(reports, canaries, read))
    return Details(
        summary=cut_bytes(summary, _SUMMARY_MAX_BYTES),
        usage=usage,
        steps=steps,
        learnings=learnings,
        notes=tuple(one_line(note, 250) for note in notes[:NOTES_MAX_COUNT]),
    )


def _search(canaries: Canaries, text: str, name: str) -> None:
    """Search what becomes of a report: without what is not shown, and as JSON spells it, it can hold a secret anew."""
    canaries.check(visible(text).encode(), f"the report {name}")


def _json_lines(data: bytes, name: str, notes: list[str]) -> Iterator[dict[str, Any]]:
    bad = 0
    for line in data.splitlines():
        try:
            value = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            value = line
        if isinstance(value, dict):
            yield value
        elif value is not None:
            bad += 1
    if bad:
        notes.append(f"{bad} line(s) of the report {name} are not JSON objects and were left out.")


def _read_usage(data: bytes, notes: list[str]) -> tuple[UsageItem, ...]:
    """Add up by service, kind and unit."""
    totals: dict[tuple[str, str, str], tuple[int, int]] = {}
    bad = 0
    for value in _json_lines(data, USAGE_FILE, notes):
        item = _parse_usage(value)
        if item is None:
            bad += 1
            continue
        key = (item.service, item.kind, item.unit)
        services = {service for service, _, _ in totals}
        if item.service not in services and len(services) >= _SERVICES_MAX_COUNT - 1:
            key = ("other", item.kind, item.unit)
        if key not in totals and len(totals) >= USAGE_MAX_ITEMS:
            bad += 1
            continue
        quantity, cost = totals.get(key, (0, 0))
        totals[key] = min(quantity + item.quantity, QUANTITY_MAX), min(cost + item.cost_micro_usd, QUANTITY_MAX)
    if bad:
        notes.append(f"{bad} line(s) of the report {USAGE_FILE} are not usage as documented and were left out.")
    return tuple(UsageItem(*key, quantity, cost) for key, (quantity, cost) in totals.items())


def _parse_usage(value: dict[str, Any]) -> UsageItem | None:
    """Accept ``{"service", "kind", "unit", "quantity"}`` and ``costMicroUSD`` or ``costUsd``."""
    try:
        cost, scale = value.get("costMicroUSD", 0), 1
        if "costUsd" in value:
            cost, scale = value["costUsd"], 1_000_000
        numbers = {"quantity": value.get("quantity", 0), "cost_micro_usd": cost}
        if any(type(number) not in {int, float} for number in numbers.values()):
            return None
        numbers["cost_micro_usd"] *= scale
        rounded = {name: round(number) for name, number in numbers.items()}
        return UsageItem(value["service"], value["kind"], value.get("unit", "count"), **rounded)
    except (TaskError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _read_learnings(data: bytes, canaries: Canaries, notes: list[str]) -> tuple[str, ...]:
    learnings: list[str] = []
    for value in _json_lines(data, LEARNINGS_FILE, notes):
        text = value.get("text")
        if isinstance(text, str) and (clean := clean_text(text.encode("utf-8", "replace")).strip()):
            _search(canaries, clean, LEARNINGS_FILE)
            learnings.append(clean if len(clean.encode()) <= LEARNING_MAX_BYTES else f"{cut_bytes(clean, _CUT_BYTES)}…")
    if len(learnings) > LEARNINGS_MAX_COUNT:
        notes.append(f"{len(learnings)} learnings were proposed, the first {LEARNINGS_MAX_COUNT} are kept.")
    return tuple(learnings[:LEARNINGS_MAX_COUNT])


def _read_steps(reports: Tree, canaries: Canaries, read: Callable[[str, int], bytes]) -> Iterator[StepReport]:
    """Read the supervisor's reports of agent and verify; an invalid one is left out."""
    for step in ("agent", "verify"):
        content = reports.read(f"steps/{step}.json".encode(), 4096)
        if content is None:
            continue
        try:
            report = StepReport.from_json(content)
        except TaskError:
            continue
        if report.step != step:
            continue
        _search(canaries, report.message, f"steps/{step}.json")
        wait = report.retry_after_seconds
        if step == "agent" and report.reason == "ProviderLimit":
            given = parse_retry_after(read(RETRY_AFTER_FILE, 100).decode("utf-8", "replace"), time.time())
            wait = min(given, _RETRY_AFTER_MAX_SECONDS) if given is not None else None
        yield StepReport(
            step,
            report.state,
            report.reason,
            one_line(report.message, 500),
            report.exit_code,
            wait,
            _output(reports, canaries, step) if report.state is StepState.FAILED else None,
        )


def _output(reports: Tree, canaries: Canaries, step: str) -> str | None:
    """Read the last lines of a failed step. They are not part of the work, so a secret only withholds them."""
    content = reports.read(f"steps/{step}.tail".encode(), 4 * _OUTPUT_MAX_BYTES)
    if not content:
        return None
    text = clean_text(content)
    if name := canaries.find(content) or canaries.find(visible(text).encode()):
        return f"(withheld: the last lines hold the value of the secret variable {name})"
    lines = text.rstrip().split("\n")[-_OUTPUT_LINES:]
    return cut_bytes("\n".join(lines)[-_OUTPUT_MAX_BYTES:], _OUTPUT_MAX_BYTES)
