from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import requests

from codecourier.github.client import GitHubForge
from codecourier.github.credentials import AppInstallation, PersonalToken, RepositoryRef
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.secret import Secret
from codecourier.local.forge.control import ForgeControl
from codecourier.text import marker

CREDENTIALS = re.compile(r"\bgh[a-z]_\w{8}|github_pat_\w{8}|\beyJ[\w-]{8,}\.|PRIVATE KEY")
PERMISSIONS = {"contents": "write", "pull_requests": "write"}
MARKER = marker("0a1b2c3d-run", 1)
CHECKS = {"contents": "write", "pull_requests": "write", "checks": "write", "statuses": "write"}
DRAFT = CreatePullRequest("Add the total", f"{MARKER}\nAdds it.\n", "feature/total", "main")
PULLS = r"/pulls$"
"""Finds the path at which pull requests are opened."""

_START_SECONDS = 60
_numbers = count(1)


class Clock:
    """The present, which moves only when it is told to."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **amount: float) -> None:
        self.time += timedelta(**amount)


@dataclass(frozen=True)
class Place:
    """A repository of its own for a test, and the ways into it."""

    control: ForgeControl
    name: str
    id: int
    sha: str
    installation_id: int

    @property
    def url(self) -> str:
        return f"{self.control.address.base_url}/{self.name}"

    @property
    def host(self) -> str:
        return f"localhost:{self.control.address.port}"

    @property
    def app(self) -> AppInstallation:
        key = Secret(self.control.address.app_private_key_path.read_text(encoding="ascii"))
        return AppInstallation(self.control.address.app_id, key, self.installation_id, self.host)

    @property
    def by_app(self) -> RepositoryRef:
        return RepositoryRef(self.url, self.app)

    def by_token(self, token: str | Secret) -> RepositoryRef:
        return RepositoryRef(self.url, PersonalToken(token if isinstance(token, Secret) else Secret(token)))

    def personal(self, **permissions: str) -> str:
        return self.control.create_token("alice", [self.name], permissions or PERMISSIONS)  # type: ignore[arg-type]

    def change(self, branch: str) -> str:
        return self.control.commit(self.name, branch, {f"{branch}.txt": "changed\n"})

    def ask(self, method: str, path: str, token: str, body: Mapping[str, str]) -> requests.Response:
        """Ask for something in the repository, apart from the code under test."""
        return requests.request(
            method,
            f"{self.control.address.api_url}/repos/{self.name}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            verify=str(self.control.address.ca_path),
            timeout=30,
        )

    def create_ref(self, token: str, branch: str) -> int:
        """Try to write contents with a token; return the answer's status."""
        return self.ask("POST", "/git/refs", token, {"ref": f"refs/heads/{branch}", "sha": self.sha}).status_code


@pytest.fixture(scope="session")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeControl]:
    folder = tmp_path_factory.mktemp("forge")
    command = [sys.executable, "-m", "codecourier.local.forge", "--state-dir", str(folder), "--port", "0"]
    with subprocess.Popen(command) as process:
        try:
            ready, pause = folder / "forge.json", threading.Event()
            for _ in range(_START_SECONDS * 20):
                if ready.exists() or process.poll() is not None:
                    break
                pause.wait(0.05)
            yield ForgeControl.open(folder)
        finally:
            process.terminate()


@pytest.fixture
def place(control: ForgeControl) -> Iterator[Place]:
    # An account of its own: nothing of another test is visible to the App.
    account = f"acme{next(_numbers)}"
    created = control.create_repository(f"{account}/shop", {"README.md": "shop\n"})
    installation_id = control.install_app(account, PERMISSIONS)  # type: ignore[arg-type]
    yield Place(control, created.full_name, created.id, created.sha, installation_id)
    control.clear_faults()


@pytest.fixture
def seeing(place: Place) -> RepositoryRef:
    """Return the repository as an installation that may read checks sees it."""
    account = place.name.partition("/")[0]
    installation = place.control.install_app(account, CHECKS)  # type: ignore[arg-type]  # names are checked there
    return replace(place, installation_id=installation).by_app


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forge(control: ForgeControl, clock: Clock) -> Iterator[GitHubForge]:
    client = GitHubForge(hosts=frozenset({control.address.host}), ca_bundle=control.address.ca_path, clock=clock)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def no_credential_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    records = [record for phase in ("setup", "call") for record in caplog.get_records(phase)]
    shown = [f"{record.getMessage()} {record.__dict__}" for record in records]
    assert not [line for line in shown if CREDENTIALS.search(line)]


def assert_no_credential(error: BaseException) -> None:
    """Look at everything that an error carries along, as a crash reporter would."""
    seen: BaseException | None = error
    while seen is not None:
        assert not CREDENTIALS.search(f"{seen!r} {seen} {vars(seen)}")
        assert not hasattr(seen, "request")
        seen = seen.__cause__ or seen.__context__
