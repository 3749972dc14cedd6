"""What survives the end of the forge, and what is said when it cannot start."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from codecourier.local.forge.address import NoForgeError
from codecourier.local.forge.control import ForgeControl
from codecourier.local.forge.records import MergeIntent, Pull
from codecourier.local.forge.store import ForgeStore
from codecourier.local.processes import wait_until
from tests.support.forge import ForgeProcess, ForgeRepository, new_repository

pytestmark = pytest.mark.forge


@pytest.fixture
def folder() -> Iterator[list[ForgeProcess]]:
    """Collect the forges of a test, to end them."""
    forges: list[ForgeProcess] = []
    yield forges
    for started in forges:
        started.close()


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "codecourier.local.forge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_kill_loses_nothing(folder: list[ForgeProcess], tmp_path: Path) -> None:
    state = tmp_path / "state"
    folder.append(ForgeProcess(state))
    repository = new_repository(folder[0], tmp_path)
    token = repository.token()
    installation = repository.control.install_app(repository.owner, {"contents": "read"})
    minted = repository.app_token(installation)
    sha = repository.branch("work")
    repository.github(token).create_pull(base="main", head="work", title="Title")
    repository.set_status(sha, "success")
    clone = repository.clone(token)
    pushed = repository.commit(clone, {"new.txt": "new\n"})
    repository.git("push", "--quiet", "origin", "HEAD:pushed", token=token, folder=clone)
    repository.control.answer_with(500, method="GET", path="/branches$")
    before, address = repository.control.counters(), repository.forge.address

    folder[0].kill()
    folder.append(ForgeProcess(state))
    again = ForgeRepository(**{**vars(repository), "forge": folder[1]})
    assert (again.forge.address.base_url, again.forge.address.ca_path) == (address.base_url, address.ca_path)
    assert again.control.counters() == before
    assert again.tip("refs/heads/pushed") == pushed
    assert again.api("GET", "/branches", minted).status == 500
    github = again.github(token)
    assert [(pull.number, pull.head.sha) for pull in github.get_pulls()] == [(1, sha)]
    assert again.api("GET", f"/commits/{sha}/status", token).body["state"] == "success"
    again.branch("later")
    assert github.create_pull(base="main", head="later", title="Later").number == 2


def test_push_under_way_is_counted_when_the_forge_dies(folder: list[ForgeProcess], tmp_path: Path) -> None:
    """The forge is killed while a hook of the push runs: the push ends by itself, and is counted."""
    state = tmp_path / "state"
    folder.append(ForgeProcess(state))
    repository = new_repository(folder[0], tmp_path)
    token = repository.token()
    clone = repository.clone(token)
    sha = repository.commit(clone, {"new.txt": "new\n"})
    bare = state / "repositories" / f"{repository.full_name}.git"
    gate, reached = tmp_path / "gate", tmp_path / "reached"
    hook = bare / "hooks" / "pre-receive"
    # A reader of a FIFO waits until the test opens it for writing.
    subprocess.run(["mkfifo", gate], check=True)
    hook.write_text(f"#!/bin/sh\ntouch {reached}\ncat {gate}\n")
    failures: list[Exception] = []
    pushing = threading.Thread(target=_push, args=(repository, clone, token, failures))
    pushing.start()
    assert wait_until(reached.exists, timeout_seconds=60)
    folder[0].kill()
    pushing.join()
    gate.write_text("")
    assert failures
    assert wait_until((bare / "pushes.log").exists, timeout_seconds=60)
    folder.append(ForgeProcess(state))
    again = ForgeRepository(**{**vars(repository), "forge": folder[1]})
    assert again.tip("refs/heads/work") == sha
    assert again.count("pushes") == {"refs/heads/work": 1}


def _push(repository: ForgeRepository, clone: Path, token: str, failures: list[Exception]) -> None:
    try:
        repository.git("push", "origin", "HEAD:refs/heads/work", token=token, folder=clone)
    except Exception as failure:  # noqa: BLE001 - handed to the test's own thread
        failures.append(failure)


@pytest.mark.parametrize("base_moved", [True, False])
def test_interrupted_merge_is_settled(folder: list[ForgeProcess], tmp_path: Path, *, base_moved: bool) -> None:
    """As if the forge died between its intent and the mark: before or after the base branch moved."""
    state = tmp_path / "state"
    folder.append(ForgeProcess(state))
    repository = new_repository(folder[0], tmp_path)
    repository.branch("work")
    squashed = repository.branch("squashed", {"work.txt": "work\n"})
    repository.github().create_pull(base="main", head="work", title="Title")
    folder[0].kill()
    store = ForgeStore(state / "forge.sqlite")
    [pull] = store.all(Pull)
    store.write(pull.model_copy(update={"merge_intent": MergeIntent(sha=squashed, login="alice")}))
    store.close()
    bare = state / "repositories" / f"{repository.full_name}.git"
    if base_moved:
        subprocess.run(["git", "--git-dir", bare, "update-ref", "refs/heads/main", squashed], check=True)
    folder.append(ForgeProcess(state))
    again = ForgeRepository(**{**vars(repository), "forge": folder[1]})
    read = again.github().get_pull(1)
    assert (read.merged, read.state) == ((True, "closed") if base_moved else (False, "open"))
    assert again.count("merges") == ({"#1": 1} if base_moved else {})
    if not base_moved:
        assert read.merge().merged


def test_term_ends_it(folder: list[ForgeProcess], tmp_path: Path) -> None:
    folder.append(ForgeProcess(tmp_path / "state"))
    assert folder[0].stop() == -signal.SIGTERM


def test_taken_port_is_named(forge: ForgeProcess, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(["--state-dir", str(tmp_path / "state"), "--port", str(port)])
    assert done.returncode == 1
    assert done.stderr == f"port {port} on 127.0.0.1 belongs to another program: choose another, or 0\n"


def test_second_forge_on_a_folder_is_refused(forge: ForgeProcess) -> None:
    done = run(["--state-dir", str(forge.state_dir)])
    assert done.returncode == 1
    assert done.stderr == f"another forge runs with the state folder {forge.state_dir}: end it, or use it\n"


def test_secrets_are_for_the_owner_only(forge: ForgeProcess) -> None:
    private = [forge.address.control_token_path, forge.address.app_private_key_path, forge.state_dir / "server.key"]
    assert [path.name for path in private if path.stat().st_mode & 0o077] == []


def test_state_without_a_forge_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoForgeError, match="no forge was ready with this state folder"):
        ForgeControl.open(tmp_path)


def test_listens_on_loopback_only(forge: ForgeProcess) -> None:
    ss = shutil.which("ss")
    if ss is None:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((socket.gethostbyname(socket.gethostname()), forge.address.port))
        return
    lines = subprocess.run([ss, "-Hltn"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[3] for line in lines if line.split()[3].endswith(f":{forge.address.port}")] == [
        f"127.0.0.1:{forge.address.port}"
    ]
