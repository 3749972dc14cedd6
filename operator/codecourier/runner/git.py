"""Runs git in a fixed environment: no setting of the machine, the user or the repository affects it."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from codecourier.runner.step import StepError, one_line

__all__ = ["LOCAL_TIMEOUT_SECONDS", "REMOTE_TIMEOUT_SECONDS", "Git", "GitError", "Remote"]

LOCAL_TIMEOUT_SECONDS = 900
"""Bound on one git command that stays on this machine."""

REMOTE_TIMEOUT_SECONDS = 3600
"""Bound on one git command that talks to the forge; a stalled connection is cut sooner (``http.lowSpeedTime``)."""

_STDERR_KEPT_BYTES = 16 * 1024
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_HELPER = (
    '!f() { test "$1" = get || return 0; '
    'echo username=x-access-token; printf password=; cat "$CODECOURIER_TOKEN_FILE"; echo; }; f'
)

_CONFIG = {
    "advice.detachedHead": "false",
    "commit.gpgSign": "false",
    "core.askPass": "",
    "core.attributesFile": "/dev/null",
    "core.autocrlf": "false",
    "core.excludesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.quotePath": "false",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "http.sslVerify": "true",
    # The trace from which Retry-After is read redacts credentials reliably only in HTTP/1.1.
    "http.version": "HTTP/1.1",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
}


class GitError(StepError):
    """A git command failed.

    Parameters
    ----------
    command
        Name of the git command.
    exit_code
        As git gave it.
    stdout
        What it printed.
    stderr
        The end of its error output, without secrets.
    """

    def __init__(self, command: str, exit_code: int, stdout: bytes, stderr: str) -> None:
        super().__init__("GitFailed", f"git {command} ended with exit code {exit_code}: {one_line(stderr, 500)}")
        self.command = command
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr


@dataclass(frozen=True)
class Remote:
    """The forge's repository and how to reach it."""

    url: str
    token_file: str
    ca_file: str

    def read_token(self) -> str:
        """Read the token, which may have been rotated since the last time.

        Raises
        ------
        StepError
            If it is missing or could not be sent to a server.
        """
        try:
            token = Path(self.token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not _TOKEN.fullmatch(token):
            raise StepError(
                "CredentialsMissing",
                "The repository token of this sandbox is missing or malformed; check the Project's credentialRef.",
            )
        return token

    def config(self) -> dict[str, str]:
        """Git settings for this repository's host, and for no other."""
        url = urlsplit(self.url)
        settings = {f"credential.{url.scheme}://{url.netloc}.helper": _HELPER}
        if Path(self.ca_file).is_file():
            settings["http.sslCAInfo"] = self.ca_file
        return settings


@dataclass(frozen=True)
class Git:
    """Runs git in one git directory."""

    git_dir: str
    work_tree: str | None = None
    config: Mapping[str, str] = field(default_factory=dict)

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Build the whole environment of a git process; nothing is inherited."""
        settings = {**_CONFIG, "safe.directory": self.work_tree or self.git_dir, **self.config}
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": self.git_dir,
            "LC_ALL": "C",
            "GIT_DIR": self.git_dir,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_ALLOW_PROTOCOL": "https",
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for index, (key, value) in enumerate(settings.items()):
            environment[f"GIT_CONFIG_KEY_{index}"] = key
            environment[f"GIT_CONFIG_VALUE_{index}"] = value
        if self.work_tree is not None:
            environment["GIT_WORK_TREE"] = self.work_tree
        return {**environment, **extra}

    def run(
        self,
        *arguments: str,
        stdin: bytes | Path = b"",
        environment: Mapping[str, str] | None = None,
        timeout_seconds: int = LOCAL_TIMEOUT_SECONDS,
        secrets: tuple[str, ...] = (),
    ) -> bytes:
        """Run one git command.

        Parameters
        ----------
        arguments
            Command and arguments; no secret may be among them.
        stdin
            What it reads, or a file with it.
        environment
            Further variables.
        timeout_seconds
            After this the command and its children are killed.
        secrets
            Texts that are removed from its error output.

        Returns
        -------
        bytes
            What it printed.

        Raises
        ------
        GitError
            If it failed or took too long.
        """
        with tempfile.TemporaryFile(dir=self.git_dir) as errors, _input(stdin) as (source, data):
            process = subprocess.Popen(
                ["git", *arguments],
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self.environment(environment or {}),
                cwd=self.work_tree or self.git_dir,
                start_new_session=True,
            )
            try:
                stdout, _ = process.communicate(data, timeout=timeout_seconds)
            except subprocess.TimeoutExpired:
                raise GitError(arguments[0], 124, b"", f"took longer than {timeout_seconds} seconds") from None
            finally:
                _end(process)
            if process.returncode == 0:
                return stdout
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - _STDERR_KEPT_BYTES))
            stderr = errors.read().decode("utf-8", "replace")
        for secret in secrets:
            stderr = stderr.replace(secret, "[secret]")
        raise GitError(arguments[0], process.returncode, stdout, stderr)

    def text(self, *arguments: str, stdin: bytes | Path = b"") -> str:
        """Run one git command and return what it printed, without the last line's end."""
        return self.run(*arguments, stdin=stdin).decode("utf-8", "surrogateescape").rstrip("\n")


@contextlib.contextmanager
def _input(stdin: bytes | Path) -> Iterator[tuple[int, bytes | None]]:
    if isinstance(stdin, bytes):
        yield subprocess.PIPE, stdin
        return
    with stdin.open("rb") as file:
        yield file.fileno(), None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill everything in the command's session: transports and helpers may outlive git itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
    if process.stdin is not None:
        process.stdin.close()
