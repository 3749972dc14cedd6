"""Runs the steps of a sandbox pod as processes, each with the mounts that its container has and no others."""

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import codecourier
from codecourier.task import (
    Author,
    Details,
    Layout,
    PublishResult,
    RunIdentity,
    StepReport,
    Task,
    parse_details,
)

SOURCE = Path(codecourier.__file__).parents[1]
_MOUNTS = {
    "checkout": {"task", "control", "courier", "workspace", "token", "ca"},
    "agent": {"control", "workspace", "reports"},
    "verify": {"control", "workspace", "reports", "verdict"},
    "collect": {"task", "control", "workspace", "reports", "outbox"},
    "publish": {"task", "courier", "outbox", "token", "ca", "verdict"},
}
_BOOT = "import sys, runpy; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), run_name='__main__')"


def make_task(**changes: Any) -> Task:
    """Make a task with defaults for all that a test does not care about."""
    task = Task(
        run=RunIdentity("team", "fix", "0f2c1b7e-1111-2222-3333-444455556666"),
        attempt=1,
        try_number=1,
        repository_url="https://127.0.0.1:1/team/project.git",
        base_branch="main",
        base_commit="0" * 40,
        branch="codecourier/fix",
        prompt="Make it better.",
        agent_command=("true",),
        commit_author=Author("CodeCourier", "courier@example.com"),
        default_title="Work of fix",
    )
    return dataclasses.replace(task, **changes)


@dataclass(frozen=True)
class Ended:
    """How the process of a step ended."""

    exit_code: int
    log: str
    message: str
    """Termination message."""

    @property
    def report(self) -> StepReport:
        return StepReport.from_json(self.message)

    @property
    def result(self) -> PublishResult:
        return PublishResult.from_json(self.message)

    @property
    def details(self) -> Details:
        digest = self.result.details_digest
        assert digest is not None
        details = parse_details(self.log, digest)
        assert details is not None
        return details


class Pod:
    """The volumes of one pod."""

    def __init__(self, folder: Path, task: Task, *, ca_file: Path | None = None) -> None:
        self.task = task
        self.volumes = folder / "volumes"
        self._containers = folder / "containers"
        self._containers.mkdir(parents=True)
        for name in ("task", "control", "courier", "workspace", "reports", "outbox", "token", "ca"):
            (self.volumes / name).mkdir(parents=True)
        if task.merge is not None:
            (self.volumes / "verdict").mkdir()
        self.write_task(task.to_json())
        if ca_file is not None:
            (self.volumes / "ca" / "ca.crt").write_bytes(ca_file.read_bytes())
        self.logs = ""
        self.python = sys.executable

    @property
    def workspace(self) -> Path:
        return self.volumes / "workspace" / "tree"

    @property
    def reports(self) -> Path:
        return self.volumes / "reports"

    @property
    def outbox(self) -> Path:
        return self.volumes / "outbox"

    def write_task(self, text: str) -> None:
        (self.volumes / "task" / "task.json").write_text(text, encoding="utf-8")

    def layout(self, container: str) -> Layout:
        """Make a container's root with its mounts."""
        root = self._containers / container
        if not root.exists():
            root.mkdir()
            for name in _MOUNTS[container] & {volume.name for volume in self.volumes.iterdir()}:
                (root / name).symlink_to(self.volumes / name)
        return Layout(str(root))

    def command(self, container: str) -> list[str]:
        if container in {"agent", "verify"}:
            return ["sh", self.layout(container).supervisor, container]
        return [self.python, "-I", "-c", _BOOT, str(SOURCE), f"codecourier.runner.{container}"]

    def environment(self, container: str, variables: dict[str, str]) -> dict[str, str]:
        layout = self.layout(container)
        Path(layout.termination_log).write_text("")
        return {"PATH": os.environ["PATH"], "HOME": str(layout.root), "CODECOURIER_ROOT": layout.root, **variables}

    def ended(self, container: str, exit_code: int, log: str) -> Ended:
        self.logs += log
        return Ended(exit_code, log, Path(self.layout(container).termination_log).read_text(encoding="utf-8"))

    def run(self, container: str, **variables: str) -> Ended:
        """Run one container to its end."""
        done = subprocess.run(
            self.command(container),
            env=self.environment(container, variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            start_new_session=True,
        )
        return self.ended(container, done.returncode, done.stdout.decode("utf-8", "replace"))

    def set_token(self, token: str) -> None:
        (self.volumes / "token" / "token").write_text(token)

    def run_all(self, *, read_token: str, write_token: str) -> PublishResult:
        """Run all containers as the kubelet does; the first that fails ends the test."""
        self.set_token(read_token)
        for step in self.steps:
            ended = self.run(step)
            assert ended.exit_code == 0, (step, ended)
            self.set_token("")
        self.set_token(write_token)
        return self.run("publish").result

    @property
    def steps(self) -> list[str]:
        """Return the containers before publish, in the order of the pod."""
        verify = ["verify"] if self.task.verify else []
        if self.task.merge is not None:
            return ["checkout", "agent", "collect", *verify]
        return ["checkout", "agent", *verify, "collect"]


def manifest(pod: Pod) -> dict[str, object]:
    """What collect handed on."""
    value = json.loads((pod.outbox / "manifest.json").read_text())
    assert isinstance(value, dict)
    return value
