import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codecourier.local.processes import (
    Launch,
    ProcessRecord,
    is_running,
    launch,
    record_of,
    send_signal,
    stop_processes,
    wait_until,
)

FOREVER = "import signal; print('ready', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"


class Starter:
    """Starts programs, and ends those that a test left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.records: list[ProcessRecord] = []

    def __call__(self, code: str) -> ProcessRecord:
        log = self._folder / f"{len(self.records)}.log"
        record = launch(Launch([sys.executable, "-c", code], {}, log))
        self.records.append(record)
        assert wait_until(lambda: b"ready" in log.read_bytes(), timeout_seconds=30)
        return record


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    stop_processes(starter.records, grace_seconds=5)


def test_a_launched_program_runs_in_a_session_of_its_own(start: Starter) -> None:
    record = start(FOREVER)
    assert is_running(record)
    assert os.getsid(record.pid) == record.pid
    assert os.getsid(record.pid) != os.getsid(0)


def test_stopped_programs_have_ended_and_were_reaped(start: Starter) -> None:
    records = [start(FOREVER), start(FOREVER)]
    stop_processes(records, grace_seconds=5)
    assert not any(is_running(record) for record in records)
    assert not any(Path(f"/proc/{record.pid}").exists() for record in records)


def test_a_program_that_ignores_sigterm_is_killed(start: Starter) -> None:
    record = start(STUBBORN)
    stop_processes([record], grace_seconds=0.2)
    assert not is_running(record)


def test_the_whole_group_ends(start: Starter, tmp_path: Path) -> None:
    pid_file = tmp_path / "child.pid"
    code = (
        "import pathlib, signal, subprocess; "
        "child = subprocess.Popen(['sleep', '1000']); "
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid)); {FOREVER}"
    )
    record = start(code)
    child = record_of(int(pid_file.read_text(encoding="ascii")))
    assert is_running(child)
    stop_processes([record], grace_seconds=5)
    assert wait_until(lambda: not is_running(child), timeout_seconds=30)


def test_a_process_with_a_recycled_pid_is_left_alone(start: Starter) -> None:
    record = start(FOREVER)
    impostor = record.model_copy(update={"birth": "another-boot/1"})
    assert not is_running(impostor)
    send_signal(impostor, signal.SIGKILL)
    stop_processes([impostor], grace_seconds=0.2)
    assert is_running(record)


def test_a_process_that_ended_but_was_not_reaped_does_not_run() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE) as child:
        grandparents_view = record_of(child.pid)
        assert is_running(grandparents_view)
        child.kill()
        assert wait_until(lambda: not is_running(grandparents_view), timeout_seconds=30)
        child.returncode = -signal.SIGKILL


def test_a_process_that_never_was_does_not_run() -> None:
    assert not is_running(record_of(2**22 + 1))


def test_new_files_of_a_program_are_closed_to_others(start: Starter, tmp_path: Path) -> None:
    start(f"open({str(tmp_path / 'secret')!r}, 'w').close(); {FOREVER}")
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_a_program_gets_no_variable_but_those_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_TOKEN", "canary")
    log = tmp_path / "environment.log"
    record = launch(Launch(["/usr/bin/env"], {"GIVEN": "yes"}, log))
    assert wait_until(lambda: not is_running(record), timeout_seconds=30)
    assert log.read_text(encoding="utf-8") == "GIVEN=yes\n"
