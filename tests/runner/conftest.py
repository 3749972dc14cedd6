from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codecourier.task import Task
from tests.support.forge import forge, repository
from tests.support.git_https import GitServer, git, serve_git
from tests.support.sandbox import Pod, make_task

__all__ = ["FILES", "READ_TOKEN", "WRITE_TOKEN", "bare", "forge", "make_pod", "repository", "server", "task"]

READ_TOKEN = "canary-read-3f9a1c77d2"
WRITE_TOKEN = "canary-write-8be04d51a6"

FILES: dict[str, str | bytes] = {
    "README.md": "# Project\n",
    "src/app.py": "print('hello')\n",
    ".gitignore": "build/\n*.log\n!keep.log\n",
    "tracked.log": "tracked although it is ignored\n",
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    folder = tmp_path_factory.mktemp("forge")
    with serve_git(folder, {READ_TOKEN: {"read"}, WRITE_TOKEN: {"read", "write"}}) as running:
        yield running


@pytest.fixture
def bare(server: GitServer, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    server.faults.clear()
    return server.make_repository(f"{tmp_path.parent.name}-{tmp_path.name}", FILES)


@pytest.fixture
def task(server: GitServer, bare: Path) -> Task:
    return make_task(repository_url=server.url_of(bare), base_commit=git(bare, "rev-parse", "main"))


@pytest.fixture
def make_pod(server: GitServer, tmp_path: Path) -> Callable[[Task], Pod]:
    def make(task: Task) -> Pod:
        return Pod(tmp_path / f"pod-{len(list(tmp_path.iterdir()))}", task, ca_file=server.ca_file)

    return make
