"""Repositories with pull requests, and pods that merge them."""

import dataclasses
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from codecourier.merging import MergeReport, MergeSource, MergeTask
from codecourier.runner.checkout import checkout
from codecourier.runner.collect import collect
from codecourier.runner.merging.finish import MergeEnd, finish_merge
from codecourier.runner.step import Context
from codecourier.task import Details, StepReport, Task
from tests.runner.conftest import READ_TOKEN, WRITE_TOKEN
from tests.runner.merging.pairs import Pair
from tests.support.git_https import GitServer, git
from tests.support.sandbox import Pod, make_task

__all__ = ["MakeScene", "Scene", "make_scene"]

UID = "merge-uid-1"

_PRELUDE = """
set -e
sub() { git update-index --add --cacheinfo "160000,$(printf '%040d' "$1"),module"; mkdir -p module; }
save() { git add -A; git commit --quiet --allow-empty -m "$1"; }
octopus() {
    for name; do git checkout --quiet -b "side-$name" start; echo "$name" > "of-$name"; save "$name"; done
    git checkout --quiet theirs
    git merge --quiet -m octopus $(for name; do echo "side-$name"; done) > /dev/null
}
dated() { GIT_AUTHOR_DATE='@1000000000 +0000' GIT_COMMITTER_DATE='@1000000000 +0000' save "$1"; }
crisscross() {
    git checkout --quiet -B cross-a start; echo left > left; dated left
    git checkout --quiet -B cross-b start; echo right > right; dated right
    case $1 in ours) first=cross-a other=cross-b ;; *) first=cross-b other=cross-a ;; esac
    git checkout --quiet -B "$1" "$first"
    git merge --quiet --no-ff -m "cross $1" "$other" > /dev/null
}
"""
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A Person",
    "GIT_AUTHOR_EMAIL": "person@example.com",
    "GIT_COMMITTER_NAME": "A Person",
    "GIT_COMMITTER_EMAIL": "person@example.com",
}


@dataclass
class Scene:
    """A bare repository on a server: branch main, and pull requests by number."""

    server: GitServer
    bare: Path
    work: Path
    heads: dict[int, str] = field(default_factory=dict)

    def sh(self, script: str) -> None:
        """Run a script in the working tree as a person does."""
        done = subprocess.run(
            ["sh", "-c", f"{_PRELUDE}\n{script}"],
            cwd=self.work,
            env=_ENVIRONMENT,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (script, done.stderr)

    def start(self, script: str) -> str:
        """Make the first commit of main."""
        self.sh(f"git init --quiet -b main .\n{script}\nsave base\ngit tag start")
        return self._push("main", "refs/heads/main")

    def on_main(self, script: str) -> str:
        """Commit onto main, as what was merged before."""
        self.sh(f"git checkout --quiet -B ours main\n{script}\nsave ours\ngit checkout --quiet -B main")
        return self._push("main", "refs/heads/main")

    def pull(self, number: int, script: str, base: str = "main") -> str:
        """Open a pull request from a commit."""
        self.sh(f"git checkout --quiet -B theirs {base}\n{script}\nsave 'pull request {number}'")
        self.heads[number] = self._push("HEAD", f"refs/pull/{number}/head")
        self.sh("git checkout --quiet -f main; git clean -qfdx")
        return self.heads[number]

    def _push(self, name: str, ref: str) -> str:
        self.sh(f"git push --quiet -f {shlex.quote(str(self.bare))} {name}:{ref}")
        return git(self.work, "rev-parse", name)

    def task(self, *numbers: int, resolves: bool = True, step: int = 0, **changes: object) -> Task:
        """Return the task that merges pull requests onto main."""
        sources = tuple(MergeSource(number, self.heads[number]) for number in numbers or sorted(self.heads))
        task = make_task(
            repository_url=self.server.url_of(self.bare),
            base_commit=git(self.bare, "rev-parse", "main"),
            merge=MergeTask(UID, step, sources, resolves=resolves),
        )
        return dataclasses.replace(task, **changes)  # type: ignore[arg-type]

    @property
    def progress(self) -> str | None:
        """The commit at the progress ref; None where there is none."""
        return git(self.bare, "for-each-ref", "--format=%(objectname)", f"refs/codecourier/merge/{UID}") or None


@dataclass
class Steps:
    """A pod whose own steps run in this process: the same functions, without the start of an interpreter each time."""

    pod: Pod
    task: Task

    def checkout(self) -> StepReport:
        self.pod.set_token(READ_TOKEN)
        return checkout(Context(self.pod.layout("checkout"), self.task))

    def agent(self) -> StepReport:
        return self.pod.run("agent").report

    def collect(self) -> StepReport:
        return collect(Context(self.pod.layout("collect"), self.task))

    def verify(self) -> StepReport:
        return self.pod.run("verify").report

    def publish(self) -> MergeEnd:
        self.pod.set_token(WRITE_TOKEN)
        assert self.task.merge is not None
        details = Details.from_json((self.pod.outbox / "details.json").read_bytes())
        return finish_merge(Context(self.pod.layout("publish"), self.task), self.task.merge, details)

    def run(self) -> MergeEnd:
        """Run all steps in the order of the pod."""
        self.checkout()
        self.agent()
        self.collect()
        if self.task.verify:
            self.verify()
        return self.publish()


MakeScene = Callable[[], Scene]
MakeSteps = Callable[[Task], Steps]


@pytest.fixture
def make_scene(server: GitServer, tmp_path: Path) -> MakeScene:
    def make() -> Scene:
        count = len(list(tmp_path.iterdir()))
        bare = server.folder / "team" / f"{tmp_path.parent.name}-{tmp_path.name}-{count}.git"
        bare.parent.mkdir(exist_ok=True)
        git(bare.parent, "init", "--quiet", "--bare", "-b", "main", bare.name)
        git(bare, "config", "http.receivepack", "true")
        work = tmp_path / f"work-{count}"
        work.mkdir()
        return Scene(server, bare, work)

    return make


@pytest.fixture
def make_steps(make_pod: Callable[[Task], Pod]) -> MakeSteps:
    def make(task: Task) -> Steps:
        return Steps(make_pod(task), task)

    return make


def scene_of(make_scene: MakeScene, pair: Pair) -> Scene:
    """Return the scene of a pair: pull request 7 conflicts with main, or does not."""
    scene = make_scene()
    base = scene.start(pair.base)
    scene.on_main(f"{pair.ours}\nmkdir -p tests\ncat > tests/ours.sh <<'END'\n{pair.test_ours}\nEND")
    scene.pull(7, f"{pair.theirs}\nmkdir -p tests\ncat > tests/theirs.sh <<'END'\n{pair.test_theirs}\nEND", base)
    return scene


def report_of(end: MergeEnd) -> MergeReport:
    """Return what became of each pull request."""
    assert end.details.merge is not None
    return end.details.merge
