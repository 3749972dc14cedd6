"""The programs that an embedded cluster consists of: how each starts and when it is ready."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from codecourier.local import controlplane_flags as flags
from codecourier.local.api import LoopbackServer, admin_of, is_plain_answering
from codecourier.local.forge.address import ForgeAddress
from codecourier.local.layout import ClusterLayout
from codecourier.local.material import NODE_NAME
from codecourier.local.options import ClusterOptions
from codecourier.local.processes import Launch
from codecourier.local.rest_certificate import rest_api_variables

__all__ = [
    "API_SERVER",
    "COMPONENTS",
    "CONTROL_PLANE",
    "FORGE",
    "NODE",
    "OPERATOR",
    "OURS",
    "PORT_NAMES",
    "REST_API",
    "Component",
    "Setting",
]

API_SERVER = "kube-apiserver"
NODE = "node"
FORGE = "forge"
OPERATOR = "operator"
REST_API = "rest-api"

_PYTHON_VARIABLES = ("HOME", "LANG", "PATH", "TMPDIR")
"""What our own programs get of the caller's environment: no tokens, no proxies."""


@dataclass(frozen=True)
class Setting:
    """What the command lines of one cluster are built from."""

    layout: ClusterLayout
    ports: Mapping[str, int]
    options: ClusterOptions
    binaries: Path


@dataclass(frozen=True)
class Component:
    """A program of the cluster.

    Parameters
    ----------
    ports
        The names of the ports that it listens on.
    launch
        Builds what to start.
    is_ready
        Asks the program whether it is ready to be used.
    """

    ports: tuple[str, ...]
    launch: Callable[[Setting], Launch]
    is_ready: Callable[[Setting], bool]


def _launch_etcd(setting: Setting) -> Launch:
    argv = flags.etcd(setting.binaries / "etcd", setting.layout, setting.ports)
    return Launch(argv, {}, setting.layout.log("etcd"))


def _launch_api_server(setting: Setting) -> Launch:
    program = setting.binaries / API_SERVER
    argv = flags.api_server(program, setting.layout, setting.ports)
    return Launch(argv, {}, setting.layout.log(API_SERVER))


def _launch_controller_manager(setting: Setting) -> Launch:
    program = setting.binaries / "kube-controller-manager"
    argv = flags.controller_manager(program, setting.layout, setting.ports)
    return Launch(argv, {}, setting.layout.log("kube-controller-manager"))


def _launch_node(setting: Setting) -> Launch:
    layout = setting.layout
    argv = [
        *_python("codecourier.local.processnode"),
        f"--kubeconfig={layout.node_kubeconfig}",
        f"--state-dir={layout.node}",
        f"--node-name={NODE_NAME}",
        f"--port={setting.ports[NODE]}",
        f"--tls-cert={layout.certificate('node-serving')}",
        f"--tls-key={layout.key('node-serving')}",
        f"--client-ca={layout.certificate('ca')}",
        f"--hide={layout.root}",
    ]
    # Other users need to pass through the folders of pods; the node sets the permissions below.
    return Launch(argv, _python_environment(), layout.log(NODE), umask=0o022)


def _launch_forge(setting: Setting) -> Launch:
    layout = setting.layout
    argv = [*_python("codecourier.local.forge"), f"--state-dir={layout.forge}", f"--port={setting.ports[FORGE]}"]
    return Launch(argv, _python_environment(), layout.log(FORGE))


def _launch_operator(setting: Setting) -> Launch:
    layout = setting.layout
    argv = [*_python("codecourier.cli"), "operator", f"--kubeconfig={layout.kubeconfig}"]
    argv += ["--identity=local", f"--listen-port={setting.ports[OPERATOR]}"]
    return Launch(argv, _python_environment() | _own_variables(setting), layout.log(OPERATOR))


def _launch_rest_api(setting: Setting) -> Launch:
    layout = setting.layout
    argv = [*_python("codecourier.cli"), "apiserver", f"--kubeconfig={layout.rest_kubeconfig}"]
    argv += [f"--listen-port={setting.ports[REST_API]}"]
    environment = _python_environment() | _own_variables(setting) | rest_api_variables(layout)
    return Launch(argv, environment, layout.log(REST_API))


def _own_variables(setting: Setting) -> dict[str, str]:
    """Return the settings of the caller's environment, and the forge as the only host that may be asked."""
    own = {name: value for name, value in os.environ.items() if name.startswith("CODECOURIER_")}
    return own | (ForgeAddress.read(setting.layout.forge).operator_variables if setting.options.with_forge else {})


def _python(module: str) -> list[str]:
    # Without -P a file of the working folder could stand in for any module.
    return [sys.executable, "-P", "-m", module]


def _python_environment() -> dict[str, str]:
    environment = {name: os.environ[name] for name in _PYTHON_VARIABLES if name in os.environ}
    # This package may be on the path of this process only.
    source_root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [source_root, os.environ.get("PYTHONPATH")]))
    return environment


def _is_etcd_ready(setting: Setting) -> bool:
    layout = setting.layout
    etcd_files = layout.certificate("etcd-ca"), layout.certificate("etcd"), layout.key("etcd")
    return LoopbackServer(setting.ports["etcd"], *etcd_files).is_answering("/health")


def _is_api_server_ready(setting: Setting) -> bool:
    return LoopbackServer(setting.ports[API_SERVER], setting.layout.certificate("ca")).is_answering("/readyz")


def _is_controller_manager_ready(setting: Setting) -> bool:
    port = setting.ports["kube-controller-manager"]
    return LoopbackServer(port, setting.layout.certificate("ca")).is_answering("/healthz")


def _is_node_ready(setting: Setting) -> bool:
    api = admin_of(setting.layout, setting.ports[API_SERVER])
    try:
        answer = api.request("GET", f"/api/v1/nodes/{NODE_NAME}")
    except OSError:
        return False
    if answer.status != HTTPStatus.OK:
        return False
    conditions = answer.json.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _is_forge_ready(setting: Setting) -> bool:
    authority = setting.layout.forge / "ca.crt"
    # Below this path the forge neither counts requests nor loses answers on demand.
    return authority.exists() and LoopbackServer(setting.ports[FORGE], authority).is_serving("/_control/ready")


def _is_rest_api_ready(setting: Setting) -> bool:
    authority = setting.layout.certificate("rest-api-ca")
    return authority.exists() and LoopbackServer(setting.ports[REST_API], authority).is_answering("/readyz")


COMPONENTS: Mapping[str, Component] = {
    "etcd": Component(("etcd", "etcd-peer"), _launch_etcd, _is_etcd_ready),
    API_SERVER: Component((API_SERVER,), _launch_api_server, _is_api_server_ready),
    "kube-controller-manager": Component(
        ("kube-controller-manager",), _launch_controller_manager, _is_controller_manager_ready
    ),
    NODE: Component((NODE,), _launch_node, _is_node_ready),
    FORGE: Component((FORGE,), _launch_forge, _is_forge_ready),
    OPERATOR: Component(
        (OPERATOR,), _launch_operator, lambda setting: is_plain_answering(setting.ports[OPERATOR], "/readyz")
    ),
    REST_API: Component((REST_API,), _launch_rest_api, _is_rest_api_ready),
}
"""All components in the order in which they start."""

OURS = (OPERATOR, REST_API)
"""What CodeCourier is, once everything else is ready."""

CONTROL_PLANE = ("etcd", API_SERVER, "kube-controller-manager")
"""The components without which there is no cluster."""

PORT_NAMES = tuple(port for component in COMPONENTS.values() for port in component.ports)
"""The names of all ports."""
