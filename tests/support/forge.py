"""A forge for tests: the real server in a process of its own, with git and REST clients for it.

A plugin: `forge` is one server for the whole run, `repository` a fresh repository on it with an owner of its own.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import secrets
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from github import Auth, Github
from github.Repository import Repository

from codecourier.local.forge.address import ForgeAddress, NoForgeError
from codecourier.local.forge.control import ForgeControl, Permissions
from codecourier.local.processes import wait_until

__all__ = [
    "Answer",
    "ForgeProcess",
    "ForgeRepository",
    "GitFailedError",
    "assertion",
    "forge",
    "new_repository",
    "repository",
]

_START_SECONDS = 60
"""The longest that a loaded machine takes to start a forge."""

EVERYTHING: Permissions = {
    "administration": "write",
    "contents": "write",
    "pull_requests": "write",
    "statuses": "write",
    "workflows": "write",
}
"""What a personal token can have of what the forge knows."""

FILES = {"README.md": "A small project.\n", "src/greet.py": 'GREETING = "hello"\n'}
"""What a fresh repository holds."""


class GitFailedError(Exception):
    """A git command of a test failed; the message is what it printed."""


@dataclass(frozen=True)
class Answer:
    """What a raw request was answered."""

    status: int
    headers: dict[str, str]
    body: Any


class ForgeProcess:
    """A forge in a process of its own.

    Parameters
    ----------
    state_dir
        Its state folder.
    options
        Further options of its command.
    """

    def __init__(self, state_dir: Path, *options: str) -> None:
        self.state_dir = state_dir
        command = [sys.executable, "-m", "codecourier.local.forge", "--state-dir", str(state_dir), *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        if not wait_until(lambda: self._is_ready() or self.process.poll() is not None, timeout_seconds=_START_SECONDS):
            self.kill()
        if self.process.returncode is not None:
            assert self.process.stderr is not None
            raise AssertionError(f"the forge did not start: {self.process.stderr.read()}")

    @property
    def address(self) -> ForgeAddress:
        """Where it is."""
        return ForgeAddress.read(self.state_dir)

    @property
    def control(self) -> ForgeControl:
        """Its control API."""
        return ForgeControl(self.address)

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()

    def close(self) -> None:
        """End it and let go of its pipe."""
        self.kill()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def github(self, token: str) -> Github:
        """Return PyGithub for a token, without its own retries and throttle."""
        return Github(
            auth=Auth.Token(token),
            base_url=self.address.api_url,
            verify=str(self.address.ca_path),
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        authorization: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one raw request.

        Parameters
        ----------
        method
            Its method.
        path
            Its path from the root.
        authorization
            The Authorization header; None for none.
        body
            Its JSON, or bytes as they are.
        headers
            Further headers.
        """
        tls = ssl.create_default_context(cafile=str(self.address.ca_path))
        connection = http.client.HTTPSConnection("127.0.0.1", self.address.port, timeout=_START_SECONDS, context=tls)
        sent = dict(headers or {}) | ({"Authorization": authorization} if authorization else {})
        content = body if isinstance(body, bytes) or body is None else json.dumps(body)
        try:
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            text = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()
        is_json = found.get("content-type", "").startswith("application/json")
        return Answer(response.status, found, json.loads(text) if is_json else text.decode() or None)

    def _is_ready(self) -> bool:
        with suppress(NoForgeError):
            return self.address.pid == self.process.pid
        return False


@dataclass
class ForgeRepository:
    """A repository of one test."""

    forge: ForgeProcess
    full_name: str
    id: int
    sha: str
    """Tip of `main` when it was made."""

    clone_url: str
    folder: Path
    """Where its clones go."""

    @property
    def owner(self) -> str:
        """Login of its owner."""
        return self.full_name.partition("/")[0]

    @property
    def control(self) -> ForgeControl:
        """The forge's control API."""
        return self.forge.control

    def token(self, permissions: Permissions = EVERYTHING, *, login: str = "alice") -> str:
        """Make a personal token for it."""
        return self.control.create_token(login, [self.full_name], permissions)

    def github(self, token: str | None = None) -> Repository:
        """Return it as PyGithub sees it."""
        return self.forge.github(token or self.token()).get_repo(self.full_name)

    def api(
        self,
        method: str,
        path: str,
        token: str | None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a raw request below the repository's address in the API."""
        full_path = f"/api/v3/repos/{self.full_name}{path}"
        authorization = f"Bearer {token}" if token else None
        return self.forge.request(method, full_path, authorization=authorization, body=body, headers=headers)

    def graph(self, query: str, token: str | None = None, **variables: Any) -> Answer:
        """Send a GraphQL document with owner and name of the repository among its variables, as `o` and `n`."""
        owner, _, name = self.full_name.partition("/")
        body = {"query": query, "variables": {"o": owner, "n": name, **variables}}
        return self.forge.request("POST", "/api/graphql", authorization=f"Bearer {token or self.token()}", body=body)

    def mint(self, installation: int, **narrowing: Any) -> Answer:
        """Ask for a token of an installation, as the App."""
        path = f"/api/v3/app/installations/{installation}/access_tokens"
        return self.forge.request("POST", path, authorization=f"Bearer {assertion(self.forge)}", body=narrowing)

    def app_token(self, installation: int) -> str:
        """Mint a token with all that an installation has."""
        return str(self.mint(installation).body["token"])

    def set_status(self, sha: str, state: str, context: str = "build") -> Answer:
        """Set a commit status."""
        return self.api("POST", f"/statuses/{sha}", self.token(), {"state": state, "context": context})

    def git(self, *arguments: str, token: str | None = None, folder: Path | None = None) -> str:
        """Run git with a credential for the forge; returns all that it printed.

        Raises
        ------
        GitFailedError
            If it fails.
        """
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSL_CAINFO": str(self.forge.address.ca_path),
        }
        for variable in ("GIT_AUTHOR", "GIT_COMMITTER"):
            environment |= {f"{variable}_NAME": "A Person", f"{variable}_EMAIL": "person@example.com"}
        if token is not None:
            credential = base64.b64encode(f"x-access-token:{token}".encode()).decode()
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {credential}",
            }
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder or self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise GitFailedError(done.stdout)
        return done.stdout.strip()

    def clone(self, token: str, *options: str) -> Path:
        """Clone it into a new folder."""
        target = self.folder / f"clone-{secrets.token_hex(4)}"
        self.git("clone", "--quiet", *options, self.clone_url, str(target), token=token)
        return target

    def commit(self, clone: Path, files: Mapping[str, str]) -> str:
        """Commit files in a clone and return the SHA."""
        for name, content in files.items():
            path = clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        self.git("add", "--all", folder=clone)
        self.git("commit", "--quiet", "--message", f"Change {', '.join(files)}", folder=clone)
        return self.git("rev-parse", "HEAD", folder=clone)

    def branch(self, name: str, files: Mapping[str, str | None] | None = None, *, start: str = "main") -> str:
        """Put a branch with one commit on the forge, without a push, and return the commit's SHA."""
        bare = self.forge.state_dir / "repositories" / f"{self.full_name}.git"
        tip = self.git("--git-dir", str(bare), "rev-parse", start)
        self.git("--git-dir", str(bare), "update-ref", f"refs/heads/{name}", tip)
        changed = files or {f"{re.sub('[^a-z0-9]', '-', name)}.txt": f"{name}\n"}
        return self.control.commit(self.full_name, name, changed, message=f"Work on {name}")

    def tip(self, ref: str) -> str | None:
        """Return what a ref of the forge points at, or None."""
        lines = self.git("ls-remote", self.clone_url, ref, token=self.token({"contents": "read"}))
        return lines.split("\t", 1)[0] if lines else None

    def count(self, topic: str) -> dict[str, int]:
        """Return the counters of this repository of one topic, by what follows the name."""
        counts: dict[str, int] = getattr(self.control.counters(), topic)
        return {
            key.removeprefix(self.full_name).strip(): count
            for key, count in counts.items()
            if re.match(rf"{re.escape(self.full_name)}(?![\w.-])", key)
        }


def assertion(forge: ForgeProcess, *, key: str | None = None, **claims: Any) -> str:
    """Sign an assertion of the App, with these claims instead of the usual ones."""
    address = forge.address
    now = int(datetime.now(tz=UTC).timestamp())
    sent = {"iat": now - 60, "exp": now + 300, "iss": str(address.app_id)} | claims
    return jwt.encode(sent, key or address.app_private_key_path.read_text(), algorithm="RS256")


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeProcess]:
    """Run one forge for all tests of this process."""
    process = ForgeProcess(tmp_path_factory.mktemp("forge"))
    yield process
    process.close()


@pytest.fixture
def repository(forge: ForgeProcess, tmp_path: Path) -> ForgeRepository:
    """Make a repository, and an owner for it."""
    return new_repository(forge, tmp_path)


def new_repository(forge: ForgeProcess, folder: Path, *, owner: str | None = None) -> ForgeRepository:
    """Make a repository on a forge."""
    name = f"{owner or f'owner-{secrets.token_hex(4)}'}/repo-{secrets.token_hex(4)}"
    made = forge.control.create_repository(name, FILES)
    return ForgeRepository(
        forge=forge, full_name=name, id=made.id, sha=made.sha, clone_url=made.clone_url, folder=folder
    )
