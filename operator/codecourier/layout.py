"""The shape of a sandbox pod: containers, users, paths. Shared by its builder, its steps and the development node."""

from dataclasses import dataclass

__all__ = [
    "AGENT_ENV",
    "AGENT_UID",
    "CANARY_ENV_PREFIX",
    "CONTAINER_AGENT",
    "CONTAINER_CHECKOUT",
    "CONTAINER_COLLECT",
    "CONTAINER_PUBLISH",
    "CONTAINER_VERIFY",
    "COURIER_UID",
    "EXIT_PROVIDER_LIMIT",
    "LAYOUT",
    "ROOT_ENV",
    "SHARED_GID",
    "Layout",
]

COURIER_UID = 64000
"""User of publish, the step that holds a token which can write."""

AGENT_UID = 65000
"""User of checkout, of the agent, of verify and of collect, so that the tree is the agent's own, as in its own clone.
Token and clone of checkout lie in volumes that no other container of this user mounts."""

SHARED_GID = 64001
"""Group of all volumes of the pod (fsGroup): both users work in them with umask 002."""

CONTAINER_CHECKOUT = "checkout"
CONTAINER_AGENT = "agent"
CONTAINER_VERIFY = "verify"
CONTAINER_COLLECT = "collect"
CONTAINER_PUBLISH = "publish"

ROOT_ENV = "CODECOURIER_ROOT"
"""Variable of **every** container with the folder below which all mounts lie.

The pod builder sets it to ``/codecourier``. A node without mount namespaces sets it to a folder for that container,
which holds each of its mounts (and its termination log) under the same relative path.
"""

CANARY_ENV_PREFIX = "CODECOURIER_CANARY_"
"""Prefix of the names of ``Task.canary_env`` in collect's environment: under their own names the values could steer its
process (``LD_PRELOAD``)."""

AGENT_ENV = (
    ROOT_ENV,
    "CODECOURIER_BASE_BRANCH",
    "CODECOURIER_BASE_COMMIT",
    "CODECOURIER_BRANCH",
    "CODECOURIER_LEARNINGS_FILE",
    "CODECOURIER_PROMPT_FILE",
    "CODECOURIER_RETRY_AFTER_FILE",
    "CODECOURIER_RUN",
    "CODECOURIER_SUMMARY_FILE",
    "CODECOURIER_USAGE_FILE",
    "CODECOURIER_WORKSPACE",
)
"""Variables that the supervisor sets for every agent; ``Task.variables`` adds to them and may not replace them."""

EXIT_PROVIDER_LIMIT = 75
"""Exit code (EX_TEMPFAIL) of an agent whose provider asks it to wait."""


@dataclass(frozen=True)
class Layout:
    """Where things lie inside a container. Folders are mounts; ``control`` is read-only but for checkout."""

    root: str

    @property
    def task(self) -> str:
        """Folder of the downward API volume."""
        return f"{self.root}/task"

    @property
    def task_file(self) -> str:
        """The task as JSON."""
        return f"{self.root}/task/task.json"

    @property
    def control(self) -> str:
        """What checkout writes for the later steps: supervisor, prompt, commands, listing of the start commit."""
        return f"{self.root}/control"

    @property
    def supervisor(self) -> str:
        """The script that agent and verify run: ``sh <supervisor> agent|verify``."""
        return f"{self.root}/control/supervisor.sh"

    @property
    def courier(self) -> str:
        """The private git directory, only in checkout and publish."""
        return f"{self.root}/courier"

    @property
    def workspace_volume(self) -> str:
        """Folder of the volume around the working tree; it belongs to root."""
        return f"{self.root}/workspace"

    @property
    def workspace(self) -> str:
        """The working tree of the agent, which checkout makes, so that the folder itself is the agent's, too."""
        return f"{self.root}/workspace/tree"

    @property
    def reports(self) -> str:
        """What agent and verify write for collect."""
        return f"{self.root}/reports"

    @property
    def outbox(self) -> str:
        """What collect writes for publish."""
        return f"{self.root}/outbox"

    @property
    def verdict(self) -> str:
        """Only in a pod that merges: what verify leaves for publish, in a volume that no other container mounts."""
        return f"{self.root}/verdict"

    @property
    def verdict_file(self) -> str:
        """Exists once all verify steps have passed."""
        return f"{self.root}/verdict/verified"

    @property
    def token(self) -> str:
        """Folder of the Secret volume, only in checkout (key ``read``) and publish (key ``write``)."""
        return f"{self.root}/token"

    @property
    def token_file(self) -> str:
        """The repository token, in the folder `token`."""
        return f"{self.root}/token/token"

    @property
    def ca(self) -> str:
        """Folder with the forge's own CA, mounted only where one is configured."""
        return f"{self.root}/ca"

    @property
    def ca_file(self) -> str:
        """Bundle in PEM that replaces the image's own for the forge."""
        return f"{self.root}/ca/ca.crt"

    @property
    def termination_log(self) -> str:
        """``terminationMessagePath`` of **every** container: below the root, so that one prefix moves everything."""
        return f"{self.root}/termination-log"


LAYOUT = Layout("/codecourier")
"""The layout of every pod that the operator builds."""
