"""What merging many pull requests of a large repository costs in a sandbox, beside `git merge` of the same by hand."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measured import Cost, least, measure
from bench.report import CaseResult, Figure, Target, ratio
from codecourier.merging import MergeSource, MergeState, MergeTask
from codecourier.runner.checkout import checkout
from codecourier.runner.collect import collect
from codecourier.runner.git import Git
from codecourier.runner.merging.commits import MergeCommitter
from codecourier.runner.merging.finish import finish_merge
from codecourier.runner.merging.walk import tree_of, walk_sources
from codecourier.runner.step import Context
from codecourier.task import Details, Publication, Task
from tests.support.git_https import GitServer, git, serve_git
from tests.support.sandbox import Pod, make_task

__all__ = ["measure_merges"]

_FOLDERS, _FILES_OF_A_FOLDER = 200, 100
_LINES = 40
_SHARED_LINES = 2000
_CHANGED_FILES = 5
"""Of each pull request, beside the file that all of them change in different places."""

_COUNTS = (10, 50)
_ROUNDS = 3
_WHOLE_ROUNDS = 2
_MOST_RATIO = 1.5
_MOST_GROWTH = 1.2
_TOKEN = "bench-token"  # noqa: S105  of a server that lives as long as the case
_UID = "bench-merge"


@dataclass(frozen=True)
class _Scene:
    """A repository with pull requests from its base, which merge cleanly in any order."""

    bare: Path
    work: Path
    """A clone of it with a working tree, as a person has it."""

    base: str
    heads: tuple[str, ...]

    def task(self, count: int, url: str = "https://127.0.0.1:1/team/large.git") -> Task:
        """Return the task that merges the first pull requests."""
        sources = tuple(MergeSource(number, head) for number, head in enumerate(self.heads[:count], 1))
        return make_task(repository_url=url, base_commit=self.base, merge=MergeTask(_UID, 0, sources))


def measure_merges(report: Callable[[str], None]) -> CaseResult:
    """Merge the same pull requests by the runner and by hand, in turn."""
    with _server() as (folder, server):
        scene = _build(folder, server)
        report(f"merges: {_FOLDERS * _FILES_OF_A_FOLDER:,} files, {len(scene.heads)} pull requests")
        walks = {count: _compare_walks(scene, count) for count in _COUNTS}
        wholes = {count: _compare_wholes(scene, count, folder, server) for count in _COUNTS}
        _check_tree(scene, max(_COUNTS))
    figures: list[Figure] = []
    for count in _COUNTS:
        figures += _figures(f"merging {count} pull requests", *walks[count], _MOST_RATIO)
        figures += _figures(f"the whole Run of {count}", *wholes[count], None)
    figures.append(_compare_memory(*[walks[count][0] for count in _COUNTS]))
    return CaseResult("merges", tuple(figures), {"merging": _describe(walks), "the whole Run": _describe(wholes)})


def _compare_memory(few: Cost, many: Cost) -> Figure:
    growth = ratio(many.program_bytes, few.program_bytes)
    baseline = f"{few.program_bytes / 2**20:.0f} MiB with {_COUNTS[0]}"
    target = Target(_MOST_GROWTH, is_lower=False)
    return Figure(f"memory of git with {_COUNTS[1]}", many.program_bytes / 2**20, "MiB", baseline, growth, target)


def _describe(costs: Mapping[int, tuple[Cost, Cost]]) -> dict[str, dict[str, dict[str, float]]]:
    return {str(count): {"runner": vars(ours), "by hand": vars(plain)} for count, (ours, plain) in costs.items()}


@contextmanager
def _server() -> Iterator[tuple[Path, GitServer]]:
    """Return a folder for everything, and a server of repositories in it."""
    with tempfile.TemporaryDirectory(prefix="codecourier-bench-") as name:
        folder = Path(name)
        (folder / "server").mkdir()
        with serve_git(folder / "server", {_TOKEN: {"read", "write"}}) as server:
            yield folder, server


def _figures(what: str, ours: Cost, plain: Cost, most: float | None) -> Iterator[Figure]:
    pairs = (("", ours.wall_seconds, plain.wall_seconds), (", processor", ours.cpu_seconds, plain.cpu_seconds))
    for name, seconds, by_hand in pairs:
        target = None if most is None else Target(most, is_lower=False)
        yield Figure(f"{what}{name}", seconds, "s", f"by hand, {by_hand:.2f} s", ratio(seconds, by_hand), target)


def _compare_walks(scene: _Scene, count: int) -> tuple[Cost, Cost]:
    """Return the least costs of the runner's merges alone, and of `git merge` in a working tree that is there."""
    ours, plain = [], []
    for _ in range(_ROUNDS):
        ours.append(measure(_walk, str(scene.bare), scene.task(count)))
        git(scene.work, "reset", "--quiet", "--hard", scene.base)
        plain.append(measure(_merge_by_hand, scene.work, scene.heads[:count]))
    return least(ours), least(plain)


def _compare_wholes(scene: _Scene, count: int, folder: Path, server: GitServer) -> tuple[Cost, Cost]:
    """Return the least costs of all that a Run does, and of a clone, the merges and a push by hand."""
    ours, plain = [], []
    task = scene.task(count, server.url_of(scene.bare))
    for number in range(_WHOLE_ROUNDS):
        pod = Pod(folder / f"pod-{count}-{number}", task, ca_file=server.ca_file)
        pod.set_token(_TOKEN)
        ours.append(measure(_run, pod))
        git(scene.bare, "update-ref", "-d", f"refs/codecourier/merge/{_UID}")
        work = folder / f"clone-{count}-{number}"
        plain.append(measure(_clone_merge_and_push, server, scene.bare, work, scene.heads[:count]))
    return least(ours), least(plain)


def _walk(bare: str, task: Task) -> None:
    assert task.merge is not None
    private = Git(bare)
    walk = walk_sources(private, task, (), MergeCommitter.of(private, task.commit_author, task.merge))
    assert {report.state for report in walk.reports} == {MergeState.CLEAN}


def _run(pod: Pod) -> None:
    """Do what the containers of a pod do; no interpreter is started, and there is nothing to verify."""
    task = pod.task
    assert task.merge is not None
    checkout(Context(pod.layout("checkout"), task))
    pod.run("agent")
    collect(Context(pod.layout("collect"), task))
    details = Details.from_json((pod.outbox / "details.json").read_bytes())
    end = finish_merge(Context(pod.layout("publish"), task), task.merge, details)
    assert end.result.state is Publication.PUSHED, end.result


def _merge_by_hand(work: Path, heads: Sequence[str]) -> None:
    for head in heads:
        git(work, "merge", "--quiet", "--no-ff", "-m", "Merge", head)


def _clone_merge_and_push(server: GitServer, bare: Path, work: Path, heads: Sequence[str]) -> None:
    url = server.url_of(bare).replace("https://", f"https://x:{_TOKEN}@")
    trust = f"http.sslCAInfo={server.ca_file}"
    git(work.parent, "-c", trust, "clone", "--quiet", url, work.name)
    git(work, "-c", trust, "fetch", "--quiet", "origin", *(f"refs/pull/{n}/head" for n in range(1, len(heads) + 1)))
    _merge_by_hand(work, heads)
    git(work, "-c", trust, "push", "--quiet", "--force", "origin", "HEAD:refs/heads/by-hand")


def _check_tree(scene: _Scene, count: int) -> None:
    """Check that the last merges by hand and those of the runner have the same tree."""
    task, private = scene.task(count), Git(str(scene.bare))
    assert task.merge is not None
    walk = walk_sources(private, task, (), MergeCommitter.of(private, task.commit_author, task.merge))
    assert tree_of(private, walk.tip) == tree_of(private, "refs/heads/by-hand")


def _build(folder: Path, server: GitServer) -> _Scene:
    bare = server.folder / "team" / "large.git"
    bare.parent.mkdir(parents=True)
    git(bare.parent, "init", "--quiet", "--bare", "-b", "main", bare.name)
    git(bare, "config", "http.receivepack", "true")
    stream = "".join(_stream()).encode("ascii")
    subprocess.run(["git", "--git-dir", str(bare), "fast-import", "--quiet"], input=stream, check=True)
    heads = tuple(git(bare, "rev-parse", f"refs/pull/{number}/head") for number in range(1, max(_COUNTS) + 1))
    git(folder, "clone", "--quiet", str(bare), "work")
    git(folder / "work", "fetch", "--quiet", "origin", "refs/pull/*:refs/pull/*")
    return _Scene(bare, folder / "work", git(bare, "rev-parse", "main"), heads)


def _stream() -> Iterator[str]:
    """Yield the whole history as `git fast-import` reads it."""
    paths = [f"src/{folder:03}/{file:03}.txt" for folder in range(_FOLDERS) for file in range(_FILES_OF_A_FOLDER)]
    yield _commit("main", 1, None)
    yield _file("shared.txt", _SHARED_LINES)
    for path in paths:
        yield _file(path, _LINES)
    for number in range(1, max(_COUNTS) + 1):
        yield _commit(f"pull/{number}", number + 1, 1)
        yield _file("shared.txt", _SHARED_LINES, changed=number * (_SHARED_LINES // (max(_COUNTS) + 1)))
        step = len(paths) // (_CHANGED_FILES * max(_COUNTS))
        for index in range(_CHANGED_FILES):
            yield _file(paths[((number - 1) * _CHANGED_FILES + index) * step], _LINES, changed=_LINES // 2)


def _commit(name: str, mark: int, parent: int | None) -> str:
    ref = f"refs/heads/{name}" if parent is None else f"refs/{name}/head"
    who = f"A Person <person@example.com> {1_700_000_000 + mark} +0000"
    start = "" if parent is None else f"from :{parent}\n"
    return f"commit {ref}\nmark :{mark}\nauthor {who}\ncommitter {who}\ndata 6\nChange\n{start}"


def _file(path: str, lines: int, changed: int | None = None) -> str:
    text = "".join(f"{path} {number}{' changed' if number == changed else ''}\n" for number in range(lines))
    return f"M 100644 inline {path}\ndata {len(text)}\n{text}\n"
