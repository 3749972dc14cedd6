"""The state of the embedded cluster between commands."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from codecourier.local.errors import LocalError
from codecourier.local.layout import ClusterLayout
from codecourier.local.processes import ProcessRecord, wait_until

__all__ = ["ClusterState", "StateStore", "file_lock"]

_STATE_LOCK_SECONDS = 10
"""No command holds the state lock for longer than it takes to start a process."""


class ClusterState(BaseModel):
    """The embedded cluster as the last command left it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    session: str
    """Names one life of the cluster; an `up` that finds another one, or none, was interrupted."""

    ports: dict[str, int]
    """The TCP port of each endpoint on loopback."""

    binaries: str = ""
    """The folder of the control plane's programs; empty until one was found."""

    kind: str = ""
    """The name of the kind cluster in the place of the control plane; empty where there is none."""

    ready: bool = False
    """Whether an `up` of this life came to its end."""

    processes: dict[str, ProcessRecord] = {}
    """What was started last for each component, by component name."""


class StateStore:
    """Reads and writes the state file."""

    def __init__(self, layout: ClusterLayout) -> None:
        self._layout = layout

    def read(self) -> ClusterState | None:
        """Return the state, or None where there is no cluster.

        Raises
        ------
        LocalError
            If the file cannot be understood.
        """
        path = self._layout.state_file
        try:
            return ClusterState.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError as error:
            raise LocalError(
                f"{path} is damaged or of another version of CodeCourier: end the processes of this cluster by hand, "
                f"if there are any, remove {self._layout.root} and run `codecourier local up`"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing the state.

        Raises
        ------
        LocalError
            If another command does not release the lock.
        """
        with file_lock(self._layout.state_lock, timeout_seconds=_STATE_LOCK_SECONDS) as is_held:
            if not is_held:
                raise LocalError(f"another command holds {self._layout.state_lock}: try again when it has ended")
            yield

    def write(self, state: ClusterState) -> None:
        """Replace the state; the caller holds the lock."""
        path = self._layout.state_file
        draft = path.with_suffix(".tmp")
        draft.write_text(state.model_dump_json(indent=2), encoding="utf-8")
        draft.replace(path)

    def remove(self) -> None:
        """Forget the cluster; the caller holds the lock."""
        self._layout.state_file.unlink(missing_ok=True)


@contextmanager
def file_lock(path: Path, *, timeout_seconds: float, checkpoint: Callable[[], object] = lambda: None) -> Iterator[bool]:
    """Hold a lock that ends with this process at the latest.

    Parameters
    ----------
    path
        The lock's file; made if missing, together with its folder.
    timeout_seconds
        How long to wait for another holder.
    checkpoint
        Called again and again while waiting; what it raises ends the waiting.

    Yields
    ------
    bool
        Whether the lock is held.
    """
    held: list[int] = []

    def acquire() -> bool:
        checkpoint()
        descriptor = _try_lock(path)
        if descriptor is not None:
            held.append(descriptor)
        return descriptor is not None

    is_held = wait_until(acquire, timeout_seconds=timeout_seconds)
    try:
        yield is_held
    finally:
        for descriptor in held:
            os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalError(f"{path.parent} cannot be the state folder of a cluster: {error.strerror}") from error
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The last holder may have removed the file: then this lock is on nothing.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    os.close(descriptor)
    return None
