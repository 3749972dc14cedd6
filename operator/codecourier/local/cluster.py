"""The embedded cluster as one thing: up, down, and the condition of its components."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from signal import Signals

from codecourier.local.api import admin_of
from codecourier.local.binaries import find_binaries
from codecourier.local.components import (
    API_SERVER,
    COMPONENTS,
    CONTROL_PLANE,
    FORGE,
    NODE,
    OPERATOR,
    OURS,
    PORT_NAMES,
    REST_API,
)
from codecourier.local.crds import apply_crds
from codecourier.local.errors import LocalError, NoControlPlaneError, UnavailableError, UpInterruptedError
from codecourier.local.kind import check_kind, create_kind
from codecourier.local.layout import ClusterLayout
from codecourier.local.life import ClusterLife
from codecourier.local.manifests import apply_manifests
from codecourier.local.material import prepare_folders, prepare_root, write_material
from codecourier.local.options import ClusterOptions, default_crds, default_manifests
from codecourier.local.ports import choose_ports
from codecourier.local.processes import is_running
from codecourier.local.state import ClusterState, StateStore, file_lock
from codecourier.local.teardown import end_cluster, remove_data, remove_root

__all__ = ["ComponentStatus", "Condition", "LocalCluster", "UpOutcome"]

_OTHER_UP_SECONDS = 1800
"""How long to wait for another `up`, which may be building the control plane."""

_UP_ENDS_SECONDS = 2
"""The longest that an `up` takes to notice that it was interrupted."""

_ENDED = ""
"""The session of a cluster that is being taken down."""


class UpOutcome(Enum):
    """What an `up` found."""

    CREATED = "created"
    ATTACHED = "attached"
    REPAIRED = "repaired"


class Condition(Enum):
    """The condition of a component."""

    READY = "ready"
    NOT_ANSWERING = "running, but not ready"
    DEAD = "dead"
    NOT_STARTED = "not started"


@dataclass(frozen=True)
class ComponentStatus:
    """The condition of one component."""

    name: str
    condition: Condition
    pid: int | None
    ports: tuple[int, ...]


class LocalCluster:
    """An embedded cluster in a state folder.

    Parameters
    ----------
    state_dir
        The state folder.
    options
        What `up` and `start` bring up.
    report
        Takes one line for each thing that happens.
    """

    def __init__(
        self,
        state_dir: Path,
        options: ClusterOptions | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.layout = ClusterLayout(state_dir.resolve())
        self._options = options or ClusterOptions()
        self._report = report
        self._store = StateStore(self.layout)

    @property
    def kubeconfig_path(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def forge_url(self) -> str:
        """The forge's address.

        Raises
        ------
        LocalError
            If there is no cluster.
        """
        return f"https://localhost:{self._life().state().ports[FORGE]}"

    @property
    def rest_url(self) -> str:
        """The address of the REST API.

        Raises
        ------
        LocalError
            If there is no cluster.
        """
        return f"https://localhost:{self._life().state().ports[REST_API]}/api/v1"

    @property
    def rest_authority_path(self) -> Path:
        """The certificate that clients of the REST API check its certificate against."""
        return self.layout.certificate("rest-api-ca")

    def up(self) -> UpOutcome:
        """Bring the cluster up, or what is missing of it.

        Returns
        -------
        UpOutcome
            What was there before.

        Raises
        ------
        LocalError
            If that is not possible. What a failed first `up` started is ended again.
        """
        with self._only_up():
            prepare_root(self.layout)
            state = self._store.read()
            if state is not None and state.ready and state.session != _ENDED and _has_running(state):
                return self._attach(state)
            if state is not None:
                self._report("the state folder is of a cluster that no longer runs: starting a new one")
                end_cluster(state, self.layout)
            self._create()
            return UpOutcome.CREATED

    def down(self) -> bool:
        """End all that `up` started, also in the middle of an `up`, and remove the state.

        Returns
        -------
        bool
            Whether there was a cluster.

        Raises
        ------
        LocalError
            If the state cannot be understood.
        """
        if not self.layout.root.exists():
            return False
        with self._store.locked():
            state = self._store.read()
            if state is not None:
                # From here on an `up` of this life starts nothing more.
                self._store.write(state.model_copy(update={"session": _ENDED}))
        if state is not None:
            end_cluster(state, self.layout)
        with file_lock(self.layout.up_lock, timeout_seconds=_UP_ENDS_SECONDS) as is_held:
            current = self._store.read()
            if is_held and (current is None or current.session == _ENDED):
                remove_root(self.layout)
        return state is not None

    def status(self) -> list[ComponentStatus]:
        """Return the condition of each component; nothing if there is no cluster."""
        state = self._store.read()
        if state is None:
            return []
        names = [FORGE, *OURS] if state.kind else list(COMPONENTS)
        return [self._status_of(name, state) for name in names]

    def start(self, component: str) -> None:
        """Start a component that does not run, and wait until it is ready."""
        life = self._life()
        life.start(component)
        life.wait_ready([component])

    def stop(self, component: str) -> None:
        """End a component and wait until it has ended."""
        self._life().stop(component)

    def kill(self, component: str) -> None:
        """End a component as a crash would."""
        self._life().kill(component)

    def is_running(self, component: str) -> bool:
        """Tell whether a component's process runs."""
        return self._life().is_running(component)

    def signal(self, component: str, number: Signals) -> None:
        """Send a signal to a component; nothing happens if it does not run."""
        self._life().signal(component, number)

    def restart(self, component: str) -> None:
        """End a component, start it again and wait until it is ready."""
        self.stop(component)
        self.start(component)

    def _attach(self, state: ClusterState) -> UpOutcome:
        if self._options.kind and not state.kind:
            raise LocalError(
                f"the cluster in {self.layout.root} is none of kind: run `codecourier local down` first, or name "
                "another folder by --state-dir"
            )
        life = ClusterLife(self.layout, self._options, state.session)
        wanted = self._wanted(state)
        missing = [name for name in wanted if not life.is_running(name)]
        base = [name for name in wanted if name not in OURS]
        self._start_all(life, [name for name in missing if name in base])
        life.wait_ready(base)
        self._apply_ours(life)
        self._start_all(life, [name for name in missing if name not in base])
        life.wait_ready(wanted)
        self._wait_for_door(life)
        return UpOutcome.REPAIRED if missing else UpOutcome.ATTACHED

    def _create(self) -> None:
        remove_data(self.layout)
        state = ClusterState(session=secrets.token_hex(8), ports=choose_ports(PORT_NAMES))
        with self._store.locked():
            self._store.write(state)
        life = ClusterLife(self.layout, self._options, state.session)
        try:
            self._bring_up(life)
        except BaseException as error:
            # The command that ended this life also ends what runs, and is the reason of any failure here.
            if not self._give_up(state.session) and isinstance(error, Exception):
                raise UpInterruptedError from error
            raise

    def _bring_up(self, life: ClusterLife) -> None:
        if self._options.kind:
            self._bring_up_kind(life)
        else:
            self._bring_up_control_plane(life)
        wanted = [name for name in self._wanted(life.state()) if not life.is_running(name)]
        self._start_all(life, [name for name in wanted if name not in OURS])
        # The operator has to know where the forge is.
        self._start_all(life, [name for name in wanted if name in OURS])
        self._wait_for_door(life)
        life.update(lambda state: state.model_copy(update={"ready": True}))

    def _bring_up_control_plane(self, life: ClusterLife) -> None:
        binaries = find_binaries(self._report, checkpoint=life.state)
        life.update(lambda state: state.model_copy(update={"binaries": str(binaries)}))
        write_material(self.layout, life.state().ports, self._options)
        self._start_all(life, ["etcd", API_SERVER])
        # The garbage collector notices kinds that are applied later only after half a minute.
        self._apply_ours(life)

    def _bring_up_kind(self, life: ClusterLife) -> None:
        try:
            check_kind()
        except UnavailableError as error:
            raise NoControlPlaneError({"a kind cluster, as --kind asks": str(error)}) from error
        prepare_folders(self.layout)
        name = f"codecourier-{life.state().session}"
        # Written down first, so that a `down` meanwhile also ends what kind has begun.
        life.update(lambda state: state.model_copy(update={"kind": name}))
        self._report(f"creating the kind cluster {name}")
        port = create_kind(name, self.layout, life.state)
        life.update(lambda state: state.model_copy(update={"ports": {**state.ports, API_SERVER: port}}))
        self._apply_ours(life)

    def _start_all(self, life: ClusterLife, components: Sequence[str]) -> None:
        if components:
            self._report(f"starting {', '.join(components)}")
        for name in components:
            life.start(name)
        life.wait_ready(components)

    def _apply_ours(self, life: ClusterLife) -> None:
        api = admin_of(self.layout, life.state().ports[API_SERVER])
        names = apply_crds(api, self._options.crds or default_crds(), life.wait_for)
        if names:
            self._report(f"applied {len(names)} CRDs")
        if count := apply_manifests(api, default_manifests()):
            self._report(f"applied {count} roles and policies")
        if self._options.with_rest_api:
            # Only this needs the code of the REST API, which takes a second to load.
            from codecourier.local.rest_account import prepare_rest_account  # noqa: PLC0415
            from codecourier.local.rest_api import register_rest_api  # noqa: PLC0415

            prepare_rest_account(api, self.layout)
            if not life.state().kind:
                # The server is not ready before it may read by what kube-apiserver is known.
                register_rest_api(api, self.layout, life.state().ports[REST_API])

    def _wait_for_door(self, life: ClusterLife) -> None:
        state = life.state()
        if self._options.with_rest_api and not state.kind:
            from codecourier.local.rest_api import is_rest_api_registered  # noqa: PLC0415  as above

            api = admin_of(self.layout, state.ports[API_SERVER])

            def is_open() -> bool:
                # Its check and its requests go over connections of their own.
                return is_rest_api_registered(api) and api.is_answering("/apis/ops.codecourier.dev/v1")

            life.wait_for(is_open, "kube-apiserver passes requests on to the REST API")

    def _give_up(self, session: str) -> bool:
        with self._store.locked():
            state = self._store.read()
            if state is None or state.session != session:
                return False
            end_cluster(state, self.layout)
            self._store.remove()
        return True

    def _wanted(self, state: ClusterState) -> list[str]:
        options = self._options
        absent = {NODE: not options.with_node, FORGE: not options.with_forge}
        absent |= {OPERATOR: not options.with_operator, REST_API: not options.with_rest_api}
        if state.kind:
            absent.update(dict.fromkeys((*CONTROL_PLANE, NODE), True))
        return [name for name in COMPONENTS if not absent.get(name)]

    def _status_of(self, name: str, state: ClusterState) -> ComponentStatus:
        ports = tuple(state.ports[port] for port in COMPONENTS[name].ports)
        record = state.processes.get(name)
        if record is None:
            return ComponentStatus(name, Condition.NOT_STARTED, None, ports)
        if not is_running(record):
            return ComponentStatus(name, Condition.DEAD, record.pid, ports)
        life = ClusterLife(self.layout, self._options, state.session)
        condition = Condition.READY if life.is_ready(name) else Condition.NOT_ANSWERING
        return ComponentStatus(name, condition, record.pid, ports)

    def _life(self) -> ClusterLife:
        state = self._store.read()
        if state is None or state.session == _ENDED:
            raise LocalError(f"there is no cluster in {self.layout.root}: run `codecourier local up`")
        return ClusterLife(self.layout, self._options, state.session)

    @contextmanager
    def _only_up(self) -> Iterator[None]:
        with file_lock(self.layout.up_lock, timeout_seconds=0) as is_held:
            if is_held:
                yield
                return
        self._report("another `up` of this cluster is at work: waiting for it")
        with file_lock(self.layout.up_lock, timeout_seconds=_OTHER_UP_SECONDS) as is_held:
            if not is_held:
                raise LocalError(f"another `up` of this cluster has been at work for {_OTHER_UP_SECONDS} s: run `down`")
            yield


def _has_running(state: ClusterState) -> bool:
    return bool(state.kind) or any(is_running(record) for record in state.processes.values())
