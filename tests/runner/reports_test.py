import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from codecourier.runner.canaries import Canaries
from codecourier.runner.reports import read_details
from codecourier.runner.step import StepError
from codecourier.runner.walk import Tree
from codecourier.task import Details, StepReport, StepState, UsageItem

_NONE = Canaries(())
_SECRET = Canaries.from_environment(["KEY"], {"CODECOURIER_CANARY_KEY": "a-secret-value"})


def _read(folder: Path, canaries: Canaries = _NONE) -> Details:
    return read_details(Tree(str(folder)), canaries, [])


def _step(folder: Path, report: StepReport, tail: bytes = b"") -> None:
    (folder / "steps").mkdir(exist_ok=True)
    (folder / "steps" / f"{report.step}.json").write_text(report.to_json())
    (folder / "steps" / f"{report.step}.tail").write_bytes(tail)


def test_no_reports_are_no_failure(tmp_path: Path) -> None:
    assert _read(tmp_path) == Details()


def test_usage_is_added_up_and_nonsense_counted(tmp_path: Path) -> None:
    lines = [
        {"service": "model", "kind": "input", "unit": "tokens", "quantity": 5, "costMicroUSD": 10},
        {"service": "model", "kind": "input", "unit": "tokens", "quantity": 6, "costUsd": 0.00001},
        {"service": "model", "kind": "output", "unit": "tokens", "quantity": 1},
        {"service": "model"},
        {"service": "model", "kind": "x", "unit": "tokens", "quantity": -1},
        {"service": "model", "kind": "x", "unit": "tokens", "quantity": True},
        {"service": "model", "kind": "x", "unit": "tokens", "quantity": 1e400},
        {"service": "m\u0000", "kind": "x", "unit": "tokens", "quantity": 1},
    ]
    text = "\n".join([*map(json.dumps, lines), "not json", "[1]", "[" * 5000, ""])
    (tmp_path / "usage.jsonl").write_text(text)
    details = _read(tmp_path)
    assert details.usage == (
        UsageItem("model", "input", "tokens", 11, 20),
        UsageItem("model", "output", "tokens", 1, 0),
    )
    assert details.notes == (
        "3 line(s) of the report usage.jsonl are not JSON objects and were left out.",
        "5 line(s) of the report usage.jsonl are not usage as documented and were left out.",
    )


def test_services_past_the_eighth_are_other(tmp_path: Path) -> None:
    lines = [json.dumps({"service": f"s{n}", "kind": "k", "unit": "u", "quantity": 1}) for n in range(12)]
    (tmp_path / "usage.jsonl").write_text("\n".join(lines))
    services = {item.service: item.quantity for item in _read(tmp_path).usage}
    assert len(services) == 8
    assert services["other"] == 5


def test_a_cost_that_is_a_long_text_takes_no_memory(tmp_path: Path) -> None:
    costs = ("1" * 1_000_000, [1] * 100)
    lines = [json.dumps({"service": "model", "kind": "tokens", "costUsd": cost}) for cost in costs]
    (tmp_path / "usage.jsonl").write_text("\n".join(lines))
    details = _read(tmp_path)
    assert details.usage == ()
    assert details.notes == ("2 line(s) of the report usage.jsonl are not usage as documented and were left out.",)


def test_learnings_are_bounded(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "\u00e9" * 2000}) for _ in range(7)]
    (tmp_path / "learnings.jsonl").write_text("\n".join(lines))
    details = _read(tmp_path)
    assert details.learnings == ("\u00e9" * 510 + "\u2026",) * 5
    assert details.notes == ("7 learnings were proposed, the first 5 are kept.",)


def test_a_summary_is_cleaned_and_cut(tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_bytes(b"\x1b[31mTitle\x1b[0m\r\n\xff\x00text\x07" + b"x" * 70_000)
    details = _read(tmp_path)
    assert details.summary.startswith("Title\n\ufffdtextxx")
    assert len(details.summary.encode()) <= 60 * 1024
    assert details.notes == ("The report summary.md was cut at 61440 bytes.",)


@pytest.mark.parametrize("name", ["summary.md", "usage.jsonl", "learnings.jsonl", "retry-after"])
def test_links_fifos_and_folders_are_left_out(tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    canary.write_text('{"text": "canary-token"}')
    makers: tuple[Callable[[Path], object], ...] = (lambda path: path.symlink_to(canary), os.mkfifo, Path.mkdir)
    for number, make in enumerate(makers):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / name)
        details = _read(folder)
        assert "canary" not in details.to_json()
        assert details.notes == (f"The report {name} is not a regular file and was left out.",)


@pytest.mark.parametrize("name", ["summary.md", "usage.jsonl", "learnings.jsonl"])
def test_a_secret_in_a_report_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"text": "YS1zZWNyZXQtdmFsdWU="}')
    with pytest.raises(StepError, match="SecretInOutput: The value of the secret variable KEY is in the report"):
        _read(tmp_path, _SECRET)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("learnings.jsonl", r'{"text": "\u0061-secret-value"}'),
        ("learnings.jsonl", '{"text": "a-sec\u200bret-value"}'),
        ("learnings.jsonl", r'{"text": "a-sec\u0007ret\u2065-value"}'),
        ("usage.jsonl", r'{"service": "\u0061-secret-value", "kind": "tokens"}'),
        ("usage.jsonl", '{"service": "model", "kind": "YS1zZWNy\u200bZXQtdmFsdWU"}'),
        ("summary.md", "Done.\n\na-sec\x00ret-value"),
        ("summary.md", "Done.\n\na-sec\u2060ret-value"),
        (
            "steps/agent.json",
            r'{"step": "agent", "state": "Failed", "reason": "AgentFailed", "message": "\u0061-secret-value"}',
        ),
    ],
)
def test_a_secret_that_cleaning_brings_to_light_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "steps").mkdir()
    (tmp_path / name).write_text(content)
    with pytest.raises(StepError, match="SecretInOutput: The value of the secret variable KEY is in the report"):
        _read(tmp_path, _SECRET)


def test_the_last_lines_of_a_failed_step_are_kept(tmp_path: Path) -> None:
    report = StepReport("agent", StepState.FAILED, "AgentFailed", "The agent ended with exit code 3.", 3)
    _step(tmp_path, report, b"".join(b"line %d\n" % n for n in range(100)))
    (step,) = _read(tmp_path).steps
    assert (step.reason, step.exit_code) == ("AgentFailed", 3)
    assert step.output is not None
    assert step.output.split("\n") == [f"line {n}" for n in range(80, 100)]


def test_last_lines_with_a_secret_are_withheld(tmp_path: Path) -> None:
    for line in (b"key: a-secret-value\n", b"key: a-sec\x1b[1mret-value", "key: a-sec\u200bret-value".encode()):
        _step(tmp_path, StepReport("agent", StepState.FAILED, "AgentFailed"), line)
        (step,) = _read(tmp_path, _SECRET).steps
        assert step.output == "(withheld: the last lines hold the value of the secret variable KEY)"


@pytest.mark.parametrize("text", ["", "{}", "x" * 5000, '{"step":"verify","state":"Succeeded","reason":"Verified"}'])
def test_a_forged_step_report_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "agent.json").write_text(text)
    assert _read(tmp_path).steps == ()


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("90", 90),
        ("0090\n", 90),
        ("99999999", 7 * 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("2015-10-21T07:28:00Z", 0),
        ("soon", None),
        ("", None),
    ],
)
def test_a_provider_may_ask_to_wait(tmp_path: Path, given: str, seconds: int | None) -> None:
    _step(tmp_path, StepReport("agent", StepState.FAILED, "ProviderLimit", exit_code=75))
    (tmp_path / "retry-after").write_text(given)
    (step,) = _read(tmp_path).steps
    assert step.retry_after_seconds == seconds
