"""The processes of one life of a cluster, from an `up` to its `down`: start them, end them, wait for them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from codecourier.local.components import COMPONENTS, Setting
from codecourier.local.errors import ComponentFailedError, LocalError, PortTakenError, UpInterruptedError
from codecourier.local.layout import ClusterLayout
from codecourier.local.options import ClusterOptions
from codecourier.local.ports import is_port_free
from codecourier.local.processes import is_running, launch, send_signal, stop_processes, wait_until
from codecourier.local.state import ClusterState, StateStore

__all__ = ["ClusterLife"]

_READY_SECONDS = 90
"""How long a component may take to become ready; a healthy one takes a tenth on a small machine."""

_STOP_SECONDS = 3
_POLL_SECONDS = 0.05
_TAIL_LINES = 12


class ClusterLife:
    """One life of a cluster.

    Parameters
    ----------
    layout
        The cluster's files.
    options
        What the components are started with.
    session
        The life of the cluster; each call ends with `UpInterruptedError` once it is over.
    """

    def __init__(self, layout: ClusterLayout, options: ClusterOptions, session: str) -> None:
        self._layout = layout
        self._options = options
        self._session = session
        self._store = StateStore(layout)

    def state(self) -> ClusterState:
        """Return the state of this life.

        Raises
        ------
        UpInterruptedError
            If this life is over.
        """
        state = self._store.read()
        if state is None or state.session != self._session:
            raise UpInterruptedError
        return state

    def update(self, change: Callable[[ClusterState], ClusterState]) -> None:
        """Change the state of this life."""
        with self._store.locked():
            self._store.write(change(self.state()))

    def start(self, component: str) -> None:
        """Start a component, unless it runs.

        Raises
        ------
        PortTakenError
            If another program has one of its ports.
        LocalError
            If its program cannot be started.
        """
        with self._store.locked():
            state = self.state()
            if component in state.processes and is_running(state.processes[component]):
                return
            self._check_ports(component, state)
            program = COMPONENTS[component].launch(self._setting(state))
            try:
                record = launch(program)
            except OSError as error:
                raise LocalError(f"{component} cannot be started: {error}") from error
            self._store.write(state.model_copy(update={"processes": {**state.processes, component: record}}))

    def signal(self, component: str, number: signal.Signals) -> None:
        """Send a signal to a component; nothing happens if it does not run."""
        record = self.state().processes.get(component)
        if record is not None:
            send_signal(record, number)

    def stop(self, component: str) -> None:
        """End a component, by force if it does not end by itself."""
        record = self.state().processes.get(component)
        if record is not None:
            stop_processes([record], grace_seconds=_STOP_SECONDS)

    def kill(self, component: str) -> None:
        """End a component as a crash would."""
        self.signal(component, signal.SIGKILL)
        wait_until(lambda: not self.is_running(component), timeout_seconds=_STOP_SECONDS)

    def is_running(self, component: str) -> bool:
        """Tell whether the component's process runs."""
        record = self.state().processes.get(component)
        return record is not None and is_running(record)

    def is_ready(self, component: str) -> bool:
        """Tell whether the component answers as it should."""
        return COMPONENTS[component].is_ready(self._setting(self.state()))

    def wait_ready(self, components: Sequence[str]) -> None:
        """Wait until components are ready.

        Raises
        ------
        ComponentFailedError
            If one ended or took too long; the message has the end of its log.
        """
        for component in components:
            description = f"{component} is ready (its log is {self._layout.log(component)})"
            self.wait_for(partial(self._is_ready_or_dead, component), description)

    def wait_for(self, condition: Callable[[], bool], description: str) -> None:
        """Wait for a condition while this life lasts.

        Raises
        ------
        ComponentFailedError
            If it takes too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while not condition():
            self.state()
            if time.monotonic() >= deadline:
                raise ComponentFailedError(f"it is not true after {_READY_SECONDS} s that {description}")
            time.sleep(_POLL_SECONDS)

    def _is_ready_or_dead(self, component: str) -> bool:
        if self.is_running(component):
            return self.is_ready(component)
        # Another command may have ended it together with this life.
        self.state()
        raise ComponentFailedError(
            f"{component} ended by itself; the end of {self._layout.log(component)}:\n{self._tail(component)}"
        )

    def _tail(self, component: str) -> str:
        lines = self._layout.log(component).read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def _check_ports(self, component: str, state: ClusterState) -> None:
        for name in COMPONENTS[component].ports:
            port = state.ports[name]
            if not is_port_free(port):
                raise PortTakenError(
                    f"port {port}, which {component} has in this cluster, is taken by another program: end that "
                    f"program, or run `codecourier local down` and `up`, which chooses new ports"
                )

    def _setting(self, state: ClusterState) -> Setting:
        return Setting(self._layout, state.ports, self._options, Path(state.binaries))
