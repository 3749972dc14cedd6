"""The launcher's input: one JSON document on its standard input.

It carries the container's environment and so secrets; it is never an argument and never a named file. Standard library
only, as everything in this folder: the launcher starts once for each container and must be up in milliseconds.
"""

import json
from typing import Any, NamedTuple

__all__ = ["EXIT_FILE", "LOCK_FILE", "LOG_FILE", "STATE_FILE", "TERMINATION_FILE", "LaunchSpec", "Mount"]

STATE_FILE = "state.json"
"""In the container's folder: pids and start time, written by the launcher."""

EXIT_FILE = "exit.json"
"""In the container's folder: how it ended, written by the launcher once the log is complete."""

LOCK_FILE = "lock"
"""In the container's folder: locked for as long as the launcher lives."""

LOG_FILE = "log"
"""In the container's folder: standard output and error, as they came."""

TERMINATION_FILE = "termination-log"
"""In the container's folder: bound to the container's terminationMessagePath."""


class Mount(NamedTuple):
    """One mount in the container's root, made in the order of the list."""

    kind: str
    """`bind`, `tmpfs`, `proc`, `sysfs` or `devpts`."""

    target: str
    """Absolute path in the container."""

    source: str = ""
    """Absolute path on the host without symbolic links; `bind` only."""

    read_only: bool = False
    mode: int = 0o755
    """Permissions of a tmpfs."""

    size_bytes: int = 0
    """Limit of a tmpfs; 0 is the kernel's default."""

    optional: bool = False
    """Skip the mount when its target is not there (a folder to be hidden that nothing shows)."""


class LaunchSpec(NamedTuple):
    """A container as the launcher starts it."""

    directory: str
    """The container's own folder on the host."""

    command: list[str]
    environment: dict[str, str]
    """The whole environment: nothing is inherited."""

    working_directory: str
    hostname: str
    isolate: bool
    """Whether to use namespaces, users and mounts (root on Linux)."""

    user: int
    group: int
    supplemental_groups: list[int]
    mounts: list[Mount]
    """Used only when isolating."""

    read_only_root: bool
    no_new_privileges: bool
    kept_capabilities: list[int]
    """Numbers of the capabilities that root in the container may have."""

    log_limit_bytes: int
    """Size at which a new log is begun; one old file is kept."""

    def to_json(self) -> bytes:
        """Encode for the launcher's standard input."""
        fields = self._asdict()
        fields["mounts"] = [mount._asdict() for mount in self.mounts]
        return json.dumps(fields).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "LaunchSpec":
        """Decode what `to_json` wrote.

        Raises
        ------
        ValueError
            When the text is cut short: the node was killed while writing it.
        """
        fields: dict[str, Any] = json.loads(text)
        fields["mounts"] = [Mount(**mount) for mount in fields["mounts"]]
        return cls(**fields)
