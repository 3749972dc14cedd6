"""Talks to the forge: looks up branches, fetches, pushes, and explains refusals."""

import base64
import contextlib
import email.utils
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from codecourier.runner.git import REMOTE_TIMEOUT_SECONDS, Git, GitError, Remote
from codecourier.runner.step import StepError, one_line
from codecourier.task import Task

__all__ = [
    "PushOutcome",
    "PushResult",
    "Repository",
    "fetch_base_commit",
    "fetch_commit",
    "has_commit",
    "parse_retry_after",
]

_RETRY_AFTER_MAX_SECONDS = 86_400
_STATUS = re.compile(r"<= Recv header: HTTP/[0-9.]+ (\d{3})")
_REQUEST = re.compile(r"=> Send header: (?:GET|POST) ")
_RETRY_AFTER = re.compile(r"<= Recv header: retry-after:\s*([^\r\n]{1,100})", re.IGNORECASE)
_HTTP_FOUND = 300
_HTTP_CLIENT_ERROR = 400
_HTTP_FORBIDDEN = 403
_HTTP_TOO_MANY_REQUESTS = 429


class PushOutcome(StrEnum):
    """How the forge answered a push."""

    DONE = "Done"
    CONFLICT = "Conflict"
    """The branch is not at the tip that we named."""

    REFUSED = "Refused"
    """A rule of the forge: a protected branch, a hook, a missing permission."""


@dataclass(frozen=True)
class PushResult:
    """Answer to a push, with the forge's message."""

    outcome: PushOutcome
    words: str


def parse_retry_after(value: str, now: float) -> int | None:
    """Read seconds, an HTTP date or an ISO 8601 time.

    Parameters
    ----------
    value
        The text to read.
    now
        Unix time that a date is compared with.

    Returns
    -------
    int or None
        Seconds from now, at least 0, or None if it is none of these.
    """
    text = value.strip()
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return int(text)
    for parse in (email.utils.parsedate_to_datetime, _parse_iso):
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            return max(0, int(parse(text).timestamp() - now))
    return None


@dataclass(frozen=True)
class Repository:
    """The forge's repository, as seen from the private git directory."""

    git: Git
    remote: Remote

    def heads(self, *branches: str) -> dict[str, str]:
        """Look up the tips of branches; those that do not exist are left out.

        Raises
        ------
        StepError
            If the forge does not answer or refuses.
        """
        found = self.refs(*(f"refs/heads/{branch}" for branch in branches))
        return {name.removeprefix("refs/heads/"): oid for name, oid in found.items()}

    def refs(self, *names: str) -> dict[str, str]:
        """Look up refs by their whole names; those that do not exist are left out.

        Raises
        ------
        StepError
            If the forge does not answer or refuses.
        """
        output = self._talk("ls-remote", "--refs", self.remote.url, *names).decode("utf-8", "replace")
        found = {name: oid for oid, _, name in (line.partition("\t") for line in output.splitlines())}
        return {name: found[name] for name in names if name in found}

    def fetch(self, *refspecs: str) -> None:
        """Fetch with all objects, history and the tags that point into it.

        Raises
        ------
        StepError
            If the forge does not answer or refuses.
        """
        self._talk("fetch", "--quiet", "--no-write-fetch-head", "--no-auto-maintenance", self.remote.url, *refspecs)

    def push(self, commit: str, ref: str, expected: str | None) -> PushResult:
        """Push one commit to one ref, if the ref is still where it is expected to be.

        Parameters
        ----------
        commit
            The new tip.
        ref
            Ref on the forge, by its whole name.
        expected
            The ref's tip, or None if there is no such ref yet.

        Raises
        ------
        StepError
            If the forge does not answer or refuses the credential; the push may still have been done.
        """
        arguments = ("--porcelain", "--no-verify", f"--force-with-lease={ref}:{expected or ''}")
        try:
            self._run("push", *arguments, self.remote.url, f"{commit}:{ref}")
        except GitError as error:
            verdict = re.search(rb"^!\t[^\t]*\t\[(remote )?rejected\] \((.*)\)$", error.stdout, re.MULTILINE)
            if verdict is None:
                raise self._failure(error) from None
            words = verdict[2].decode("utf-8", "replace")
            outcome = (
                PushOutcome.CONFLICT if _is_conflict(words, remote=verdict[1] is not None) else PushOutcome.REFUSED
            )
            return PushResult(outcome, one_line(f"{words}: {_remote_words(error.stderr)}".rstrip(": "), 400))
        return PushResult(PushOutcome.DONE, "")

    @property
    def _trace(self) -> Path:
        return Path(self.git.git_dir, "codecourier-trace")

    def _talk(self, command: str, *arguments: str) -> bytes:
        try:
            return self._run(command, *arguments)
        except GitError as error:
            raise self._failure(error) from None

    def _run(self, command: str, *arguments: str) -> bytes:
        token = self.remote.read_token()
        basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        self._trace.unlink(missing_ok=True)
        git = Git(self.git.git_dir, config={**self.git.config, **self.remote.config()})
        return git.run(
            command,
            *arguments,
            environment={
                "CODECOURIER_TOKEN_FILE": self.remote.token_file,
                "GIT_TRACE_CURL": str(self._trace),
                "GIT_TRACE_CURL_NO_DATA": "1",
                "GIT_TRACE_REDACT": "1",
            },
            timeout_seconds=REMOTE_TIMEOUT_SECONDS,
            secrets=(token, basic),
        )

    def _failure(self, error: GitError) -> StepError:
        """Explain a failed request by the forge's last answer."""
        trace = self._trace.read_text(encoding="utf-8", errors="replace") if self._trace.exists() else ""
        self._trace.unlink(missing_ok=True)
        statuses = [int(status) for status in _STATUS.findall(trace) if not status.startswith("1")]
        # A request without an answer means that the connection broke; earlier answers explain nothing.
        status = statuses[-1] if statuses and len(statuses) >= len(_REQUEST.findall(trace)) else None
        waits = _RETRY_AFTER.findall(trace)
        wait = parse_retry_after(waits[-1], time.time()) if waits else None
        return _explain(status, wait, _remote_words(error.stderr))


def has_commit(git: Git, commit: str) -> bool:
    """Whether a commit is here, by its whole id."""
    try:
        return git.text("cat-file", "-t", commit) == "commit"
    except GitError:
        return False


def fetch_commit(repository: Repository, commit: str, ref: str) -> bool:
    """Fetch a commit by its id where it is not here; return whether it is here then.

    Forges serve a commit by its id for as long as they keep it.

    Parameters
    ----------
    repository
        The forge's repository.
    commit
        The commit's id.
    ref
        Ref of the private git directory that is to hold it.

    Raises
    ------
    StepError
        If the forge does not answer or refuses.
    """
    if has_commit(repository.git, commit):
        return True
    try:
        repository.fetch(f"+{commit}:{ref}")
    except StepError as error:
        if error.reason != "ObjectNotFound":
            raise
    return has_commit(repository.git, commit)


def fetch_base_commit(repository: Repository, task: Task) -> None:
    """Fetch the base commit where its branch does not bring it: the branch is gone, or was force-pushed.

    Raises
    ------
    StepError
        BaseNotFound, or if the forge does not answer.
    """
    if not fetch_commit(repository, task.base_commit, "refs/codecourier/start"):
        raise StepError(
            "BaseNotFound",
            f"Commit {task.base_commit} is not, or no longer, in branch {task.base_branch!r} of {task.repository_url}.",
        )


def _explain(status: int | None, wait: int | None, words: str) -> StepError:
    said = f"HTTP {status}" if status is not None else "no answer"
    end = f"({said}). {words}".rstrip()
    seconds = None if wait is None else min(wait, _RETRY_AFTER_MAX_SECONDS)
    if status == _HTTP_TOO_MANY_REQUESTS or (status == _HTTP_FORBIDDEN and _is_limit(wait, words)):
        return StepError("RateLimited", f"The forge limits the rate of requests {end}", retry_after_seconds=seconds)
    refusal = _explain_refusal(status, end)
    if refusal is not None:
        return refusal
    if "not our ref" in words:
        return StepError("ObjectNotFound", f"The forge does not have what was asked for {end}")
    # Also for a last answer of 200: the connection broke off within it.
    return StepError("ForgeUnavailable", f"The forge is not available {end}", retry_after_seconds=seconds)


def _is_limit(wait: int | None, words: str) -> bool:
    return wait is not None or "rate limit" in words.lower()


def _explain_refusal(status: int | None, end: str) -> StepError | None:
    """Explain an answer that stays the same until a user fixes its cause; None for any other."""
    if status in {401, _HTTP_FORBIDDEN}:
        return StepError("CredentialsRefused", f"The forge refused the repository token; check what it may do {end}")
    if status in {404, 410}:
        return StepError("RepositoryNotFound", f"The repository does not exist, or the token may not see it {end}")
    if status is not None and _HTTP_FOUND <= status < _HTTP_CLIENT_ERROR:
        return StepError("RepositoryMoved", f"The forge redirects, which is not followed; name the new URL {end}")
    if status in {400, 405, 406, 413, 415, 422}:
        return StepError("ForgeRefused", f"The forge refused the request {end}")
    return None


def _is_conflict(words: str, *, remote: bool) -> bool:
    if not remote:
        return True
    return bool(
        re.search(r"failed to update ref|cannot lock ref|incorrect old value|already exists|fetch first", words)
    )


def _remote_words(stderr: str) -> str:
    lines = [line.removeprefix("remote:").strip() for line in stderr.splitlines()]
    return one_line(" ".join(line for line in lines if line and not line.startswith("To ")), 400)


def _parse_iso(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
