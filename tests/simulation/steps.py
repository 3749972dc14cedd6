"""What the steps of a sandbox pod do to the forge, as the runner does it, and how a scripted agent behaves.

The runner itself is tried with real git elsewhere; here counts what the operator can see of it: termination messages,
the log of publish, and the branch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from codecourier.github.errors import CredentialsRefused
from codecourier.task import (
    CONTAINER_AGENT,
    CONTAINER_CHECKOUT,
    CONTAINER_COLLECT,
    CONTAINER_PUBLISH,
    CONTAINER_VERIFY,
    Details,
    Publication,
    PublishResult,
    StepReport,
    StepState,
    Task,
    UsageItem,
    frame_details,
)
from tests.simulation.forge import CANARY, Commit, ForgeServer

__all__ = [
    "AgentStart",
    "Behaviour",
    "Ended",
    "PodTrouble",
    "SandboxSteps",
    "failed",
    "refused",
    "succeeded",
    "unpublished",
]

_RETRY_AFTER_SECONDS = 20
_OUT_OF_MEMORY = 137
_TERMINATED = 143
_NOT_STARTED = 128
_RUNTIME_WORDS = 'exec: "sh": executable file not found in $PATH'


class Behaviour(Enum):
    """How an agent behaves in one try."""

    CHANGES = "changes a file and ends well"
    NOTHING = "changes nothing and ends well"
    FAILS = "changes a file and exits with 1"
    PROVIDER_LIMIT = "changes half of it and asks to wait"
    HANGS = "changes a file and is stopped at its timeout"
    SETUP_FAILS = "does not come to its turn: a setup step fails"
    VERIFY_FAILS = "changes a file that its checks refuse"
    LEAKS = "writes a secret into a file"
    OUT_OF_MEMORY = "needs too much memory"
    CHILD_OUT_OF_MEMORY = "has a child that needs too much memory, and ends well"
    NEVER_PULLED = "has an image that never comes"
    NEVER_STARTED = "has an image without a shell"


class PodTrouble(Enum):
    """What happens between a pod and the forge, or within the pod."""

    CHECKOUT_UNAVAILABLE = "the forge does not answer checkout"
    PUSH_UNAVAILABLE = "the forge does not answer publish"
    PUSH_ANSWER_LOST = "the push is done, and the forge does not answer any more"
    LOG_LOST = "the node throws the log of publish away"
    MESSAGE_LOST = "publish ends without its message"
    SANDBOX_DIES = "the node stops the agent and makes no new sandbox"


@dataclass(frozen=True)
class AgentStart:
    """An agent that was started, which cannot be taken back."""

    namespace: str
    run: str
    run_uid: str
    attempt: int
    try_number: int
    pod_uid: str
    base_commit: str
    sprint: int | None


@dataclass(frozen=True)
class Ended:
    """How a container ended."""

    exit_code: int
    message: str
    reason: str = "Completed"


@dataclass
class SandboxSteps:
    """The steps of one pod.

    Parameters
    ----------
    forge
        The forge.
    task
        What the pod was told.
    sandbox
        The name of the Sandbox.
    behaviour
        How the agent behaves.
    trouble
        What goes wrong, None where nothing does.
    lessons
        How many lessons its agent proposes.
    """

    forge: ForgeServer
    task: Task
    sandbox: str
    behaviour: Behaviour
    trouble: PodTrouble | None = None
    lessons: int = 0
    start: Commit | None = None
    tip: str | None = None
    tree: Mapping[str, str] | None = None
    log: str = ""

    @property
    def key(self) -> str:
        """The name of the file that the agent writes: the sprint's, or the Run's."""
        return f"sprint-{number}" if (number := self.task.variables.get("CODECOURIER_SPRINT_NUMBER")) else "run"

    def run(self, step: str, token: str) -> Ended:
        """Do a step that may talk to the forge with a token; agent and verify get none."""
        steps: dict[str, Callable[[], Ended]] = {
            CONTAINER_CHECKOUT: lambda: self._checkout(token),
            CONTAINER_AGENT: self._work,
            CONTAINER_VERIFY: self._verify,
            CONTAINER_COLLECT: self._collect,
            CONTAINER_PUBLISH: lambda: self._publish(token),
        }
        return steps[step]()

    def _refuse_checkout(self, token: str) -> Ended | None:
        """Return why nothing can be checked out; None: it can."""
        if self.trouble is PodTrouble.CHECKOUT_UNAVAILABLE:
            return failed(CONTAINER_CHECKOUT, "ForgeUnavailable", "The forge does not answer.")
        try:
            self.forge.check(token)
        except CredentialsRefused as error:
            return failed(CONTAINER_CHECKOUT, "CredentialsRefused", error.message)
        if self.task.base_commit not in self.forge.history.commits:
            return failed(CONTAINER_CHECKOUT, "BaseNotFound", "The base commit is not there any more.")
        return None

    def _checkout(self, token: str) -> Ended:
        if (refused := self._refuse_checkout(token)) is not None:
            return refused
        self.tip = self.forge.branches.get(self.task.branch)
        start = self.task.base_commit
        if self.tip is not None and self.tip != start:
            if not self._is_ours(self.tip):
                return failed(CONTAINER_CHECKOUT, "BranchTaken", f"{self.task.branch} is not of this run.")
            start = self.tip
        self.start = self.forge.history.commits[start]
        self.tree = dict(self.start.tree)
        return succeeded(CONTAINER_CHECKOUT, "CheckedOut")

    def _is_ours(self, sha: str) -> bool:
        commit = self.forge.history.commits[sha]
        is_same = (commit.run, commit.attempt) == (self.task.run.uid, self.task.attempt)
        return is_same and self.forge.history.is_ancestor(self.task.base_commit, sha)

    def _work(self) -> Ended:
        if self.trouble is PodTrouble.SANDBOX_DIES:
            report = StepReport(CONTAINER_AGENT, StepState.FAILED, "Terminated", "The agent was ended.")
            return Ended(_TERMINATED, report.to_json(), "Error")
        if (ended := _ENDED_BY_NODE.get(self.behaviour)) is not None:
            return ended
        match self.behaviour:
            case Behaviour.SETUP_FAILS:
                return self._agent_failed("SetupFailed", "make deps ended with exit code 2.")
            case Behaviour.NOTHING:
                return succeeded(CONTAINER_AGENT, "Succeeded")
            case Behaviour.PROVIDER_LIMIT:
                self._write(f"{self.key}-half", "half")
                return self._agent_failed("ProviderLimit", "The provider asks to wait.", _RETRY_AFTER_SECONDS)
            case _:
                return self._change()

    def _change(self) -> Ended:
        secret = f"{CANARY}of-the-agent"
        self._write(self.key, secret if self.behaviour is Behaviour.LEAKS else f"attempt {self.task.attempt}")
        if self.behaviour is Behaviour.FAILS:
            return self._agent_failed("AgentFailed", "The agent ended with exit code 1.")
        if self.behaviour is Behaviour.HANGS:
            return self._agent_failed("AgentTimeout", "The agent was still running.")
        return succeeded(CONTAINER_AGENT, "Succeeded")

    def _write(self, path: str, content: str) -> None:
        self.tree = {**(self.tree or {}), path: content}

    def _agent_failed(self, reason: str, message: str, retry_after_seconds: int | None = None) -> Ended:
        report = StepReport(
            CONTAINER_AGENT,
            StepState.FAILED,
            reason,
            message,
            exit_code=1,
            retry_after_seconds=retry_after_seconds,
        )
        return Ended(0, report.to_json())

    def _verify(self) -> Ended:
        if self.behaviour is Behaviour.VERIFY_FAILS:
            return refused(CONTAINER_VERIFY, "VerifyFailed", "make test ended with exit code 1.")
        return succeeded(CONTAINER_VERIFY, "Succeeded")

    def _collect(self) -> Ended:
        if self.behaviour is Behaviour.LEAKS:
            return failed(CONTAINER_COLLECT, "SecretInOutput", f"{self.key} holds the value of MODEL_KEY.")
        return succeeded(CONTAINER_COLLECT, "Collected")

    def _publish(self, token: str) -> Ended:
        result = self._publication(token)
        line, digest = frame_details(self._details())
        self.log = "" if self.trouble is PodTrouble.LOG_LOST else f"{line}\n"
        result = replace(result, details_digest=digest)
        if self.trouble is PodTrouble.MESSAGE_LOST:
            return Ended(_OUT_OF_MEMORY, "", "Error")
        is_failed = result.state is Publication.FAILED
        return Ended(1, result.to_json(), "Error") if is_failed else Ended(0, result.to_json())

    def _details(self) -> Details:
        usage = UsageItem("model", "tokens", "token", 100, 2_500)
        return Details(f"Change {self.key}\n\nAs asked.", (usage,), learnings=tuple(self._lessons()))

    def _lessons(self) -> Iterator[str]:
        """Yield what the agent has learned: the first one is its own, the others all agents say, each in its way."""
        for number in range(self.lessons):
            text = f"Lesson {number} of {'everyone' if number else self.key}: keep it small."
            yield text.upper().replace(" ", "  ") if self.task.try_number % 2 == 0 else text

    def _publication(self, token: str) -> PublishResult:
        start = self.start
        if start is None:
            raise AssertionError("publish runs only after checkout")
        if self.tree != start.tree:
            return self._push(token, start, self.tree or {})
        if start.sha == self.task.base_commit:
            return PublishResult(Publication.NO_CHANGE, "NoChange")
        return _pushed(start.sha, "Continued")

    def _push(self, token: str, start: Commit, tree: Mapping[str, str]) -> PublishResult:
        if self.trouble is PodTrouble.PUSH_UNAVAILABLE:
            return unpublished("ForgeUnavailable", "The forge does not answer.")
        commit = self.forge.history.commit(start.sha, tree, self.task.run.uid, self.task.attempt)
        try:
            is_done = self.forge.push(token, self.task.branch, self.tip, commit, self.sandbox)
        except CredentialsRefused as error:
            return unpublished("CredentialsRefused", error.message)
        if self.trouble is PodTrouble.PUSH_ANSWER_LOST:
            return unpublished("ForgeUnavailable", "The forge does not answer.")
        return _pushed(commit.sha, "Pushed") if is_done else self._adopt()

    def _adopt(self) -> PublishResult:
        tip = self.forge.branches.get(self.task.branch)
        if tip is not None and self._is_ours(tip):
            return _pushed(tip, "Adopted")
        return unpublished("PushRejected", "The branch was changed by another push.")


def succeeded(step: str, reason: str) -> Ended:
    """Return the end of a step that did what it is for."""
    return Ended(0, StepReport(step, StepState.SUCCEEDED, reason).to_json())


def failed(step: str, reason: str, message: str) -> Ended:
    """Return the end of a step that fails, and its pod with it."""
    return Ended(1, StepReport(step, StepState.FAILED, reason, message).to_json(), "Error")


def refused(step: str, reason: str, message: str) -> Ended:
    """Return the end of a step that reports a failure and lets the next one run."""
    return Ended(0, StepReport(step, StepState.FAILED, reason, message).to_json())


def _pushed(sha: str, reason: str) -> PublishResult:
    return PublishResult(Publication.PUSHED, reason, commit=sha, title="Change", files=1, insertions=1)


def unpublished(reason: str, message: str) -> PublishResult:
    """Return the result of a publish that pushed nothing, or does not know."""
    return PublishResult(Publication.FAILED, reason, message)


_ENDED_BY_NODE: Mapping[Behaviour, Ended] = {
    Behaviour.OUT_OF_MEMORY: Ended(_OUT_OF_MEMORY, "", "OOMKilled"),
    Behaviour.CHILD_OUT_OF_MEMORY: replace(succeeded(CONTAINER_AGENT, "Succeeded"), reason="OOMKilled"),
    Behaviour.NEVER_STARTED: Ended(_NOT_STARTED, _RUNTIME_WORDS, "StartError"),
}
"""How the kubelet reports agents that the kernel or the container runtime ends."""
