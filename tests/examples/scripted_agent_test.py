"""The scripted agent keeps its promises: tests of the whole system rely on what it does and refuses to do."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "agent" / "scripted_agent.sh"
TOLD = "You are working on sprint {number}, which is number {place} of 3.\nThe task.\n\nDo it."


class Place:
    """What an agent finds in its container."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.prompt = folder / "prompt.txt"
        self.summary = folder / "summary.md"
        self.usage = folder / "usage.jsonl"
        self.retry_after = folder / "retry-after"

    def environment(self, number: int | None, **extra: str) -> dict[str, str]:
        """Return the variables of the sprint of this number, of three from 7 on."""
        variables = {
            "PATH": os.environ["PATH"],
            "CODECOURIER_WORKSPACE": str(self.workspace),
            "CODECOURIER_PROMPT_FILE": str(self.prompt),
            "CODECOURIER_SUMMARY_FILE": str(self.summary),
            "CODECOURIER_USAGE_FILE": str(self.usage),
            "CODECOURIER_RETRY_AFTER_FILE": str(self.retry_after),
        }
        if number is not None:
            sprint = {"NUMBER": number, "INDEX": number - 7, "COUNT": 3}
            variables |= {f"CODECOURIER_SPRINT_{name}": str(value) for name, value in sprint.items()}
        return variables | extra

    def start(self, number: int | None, prompt: str | None = None, **extra: str) -> subprocess.Popen[str]:
        """Start the agent with its prompt."""
        text = prompt or TOLD.format(number=number, place=(number or 7) - 6)
        self.prompt.write_text(text, encoding="utf-8")
        with self.prompt.open(encoding="utf-8") as stdin:
            return subprocess.Popen(
                ["sh", "-c", SCRIPT.read_text(encoding="utf-8")],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=self.environment(number, **extra),
                start_new_session=True,
            )

    def run(self, number: int | None, prompt: str | None = None, **extra: str) -> tuple[int, str]:
        """Run it to its end and return its exit code and what it said."""
        process = self.start(number, prompt, **extra)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    def files(self) -> list[str]:
        """Return the files of the workspace."""
        return sorted(str(p.relative_to(self.workspace)) for p in self.workspace.rglob("*") if p.is_file())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_it_does_three_sprints_one_upon_the_other(place: Place) -> None:
    for number in (7, 8, 9):
        code, said = place.run(number)
        assert code == 0, said
    assert place.files() == ["CHANGELOG.md", "sprints/07.md", "sprints/08.md", "sprints/09.md"]
    assert (place.workspace / "CHANGELOG.md").read_text(encoding="utf-8").count("\n- Sprint ") == 3
    assert place.summary.read_text(encoding="utf-8").startswith("Sprint 9: write sprints/09.md\n\n")
    usage = [json.loads(line) for line in place.usage.read_text(encoding="utf-8").splitlines()]
    assert usage == 3 * [
        {
            "service": "scripted",
            "kind": "Tokens",
            "unit": "Token",
            "quantity": 1200,
            "costMicroUSD": 3600,
            "model": "scripted-1",
        }
    ]


def test_it_refuses_to_go_on_without_the_sprint_before_its_own(place: Place) -> None:
    code, said = place.run(8)
    assert (code, place.files()) == (1, [])
    assert "the change of sprint 7 is not in the workspace" in said
    assert place.run(8, SCRIPTED_AGENT="alone")[0] == 0


@pytest.mark.parametrize("lost", ["CHANGELOG.md", "sprints/07.md"])
def test_half_of_the_sprint_before_its_own_is_not_enough(place: Place, lost: str) -> None:
    assert place.run(7)[0] == 0
    (place.workspace / lost).unlink()
    assert place.run(8)[0] == 1


@pytest.mark.parametrize("prompt", ["Do it.", TOLD.format(number=17, place=1), TOLD.format(number=7, place=2)])
def test_it_refuses_a_prompt_that_does_not_say_its_number(place: Place, prompt: str) -> None:
    code, said = place.run(7, prompt)
    assert code == 1
    assert "does not say that this is sprint 7" in said


def test_it_refuses_an_empty_prompt(place: Place) -> None:
    code, said = place.run(7, "\n")
    assert code == 1
    assert "is empty" in said


def test_it_works_outside_a_chain(place: Place) -> None:
    assert place.run(None, "Do it.")[0] == 0
    assert place.files() == ["CHANGELOG.md", "notes.md"]


@pytest.mark.parametrize("way", ["variable", "prompt"])
def test_it_fails_in_the_sprint_that_it_is_told_to(place: Place, way: str) -> None:
    prompts = {n: TOLD.format(number=n, place=n - 6) for n in (7, 8)}
    extra = {"SCRIPTED_AGENT": "fail@8"} if way == "variable" else {}
    if way == "prompt":
        prompts = {n: f"{prompt} (SCRIPTED_AGENT=fail@8)" for n, prompt in prompts.items()}
    assert place.run(7, prompts[7], **extra)[0] == 0
    code, said = place.run(8, prompts[8], **extra)
    assert (code, "told to fail" in said) == (1, True)


def test_it_changes_nothing_when_told_to(place: Place) -> None:
    assert place.run(7, SCRIPTED_AGENT="nothing")[0] == 0
    assert place.files() == []


def test_it_asks_once_to_be_called_later(place: Place) -> None:
    assert place.run(7, SCRIPTED_AGENT="retry-after:90")[0] == 75
    assert place.retry_after.read_text(encoding="utf-8") == "90\n"
    assert place.run(7, SCRIPTED_AGENT="retry-after:90")[0] == 0
    assert "sprints/07.md" in place.files()


def test_it_reports_much_when_told_to_burst(place: Place) -> None:
    assert place.run(7, SCRIPTED_AGENT="slow:0 burst")[0] == 0
    assert json.loads(place.usage.read_text(encoding="utf-8"))["costMicroUSD"] == 3_600_000_000


@pytest.mark.parametrize(
    ("told", "signals"), [("hang", [signal.SIGTERM]), ("ignore-term", [signal.SIGTERM, signal.SIGKILL])]
)
def test_it_hangs_until_it_is_ended(place: Place, told: str, signals: list[signal.Signals]) -> None:
    process = place.start(7, SCRIPTED_AGENT=told)
    assert process.stdout
    assert process.stdout.readline() == "told to hang\n"
    for sent in signals:
        process.send_signal(sent)
    assert process.wait(timeout=60) == -signals[-1]
    process.stdout.close()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its last sleep


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="the process is found in /proc")
def test_it_leaves_a_process_behind(place: Place) -> None:
    process = place.start(7, SCRIPTED_AGENT="fork")
    assert process.wait(timeout=60) == 0
    assert process.stdout
    # A process that stays behind holds the pipe open and has its own session where `setsid` exists.
    said = [process.stdout.readline() for _ in range(3)]
    assert "a process of mine stays behind\n" in said
    left = [entry for entry in Path("/proc").glob("[0-9]*") if works_in(entry, place.workspace)]
    assert left
    for entry in left:
        os.kill(int(entry.name), signal.SIGKILL)
    process.stdout.close()


def works_in(process: Path, folder: Path) -> bool:
    """Return whether a process has this working folder."""
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False
