"""Start the process node: `python -m codecourier.local.processnode`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from codecourier.kube.access import AccessError
from codecourier.local.processnode import image
from codecourier.local.processnode.node import run_node
from codecourier.local.processnode.settings import NodeSettings, can_isolate

__all__ = ["main"]

_LOG = logging.getLogger("codecourier.local.processnode")
_TRAVERSABLE = 0o001


def main() -> None:
    """Read the command line and run the node."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    settings = _settings(options)
    _report_isolation(settings)
    try:
        asyncio.run(run_node(settings))
    except (AccessError, OSError) as error:
        sys.exit(f"the process node cannot run: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codecourier.local.processnode",
        description="A development stand-in for the kubelet: runs the containers of pods as local processes.",
    )
    parser.add_argument(
        "--kubeconfig", type=Path, required=True, help="how to reach the API server, as an administrator"
    )
    parser.add_argument("--state-dir", type=Path, required=True, help="holds volumes and logs; made if missing")
    parser.add_argument("--node-name", required=True)
    parser.add_argument("--port", type=int, required=True, help="of the log endpoint")
    parser.add_argument("--tls-cert", type=Path, required=True, help="certificate of the log endpoint")
    parser.add_argument("--tls-key", type=Path, required=True)
    parser.add_argument("--client-ca", type=Path, required=True, help="authority of the clients that may read logs")
    parser.add_argument("--no-bind", action="store_true", help="leave pending pods to a scheduler")
    parser.add_argument("--no-isolation", action="store_true", help="even as root: no users, mounts and namespaces")
    parser.add_argument("--hide", type=Path, action="append", default=[], help="a further folder or file to cover")
    return parser


def _settings(options: argparse.Namespace) -> NodeSettings:
    options.state_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    state_dir = options.state_dir.resolve()
    secret = [options.kubeconfig, options.tls_key, options.client_ca, *options.hide]
    shown = image.needed_folders()
    hidden = [_state_root(state_dir), Path.home(), *_closed_parents(shown), *(path.resolve() for path in secret)]
    return NodeSettings(
        kubeconfig=options.kubeconfig,
        state_dir=state_dir,
        node_name=options.node_name,
        port=options.port,
        certificate=options.tls_cert,
        key=options.tls_key,
        client_authority=options.client_ca,
        binds=not options.no_bind,
        isolates=can_isolate() and not options.no_isolation,
        shown=tuple(shown),
        hidden=tuple(dict.fromkeys(hidden)),
    )


def _state_root(state_dir: Path) -> Path:
    """Return the whole state folder of the embedded cluster where the node's is in one."""
    return next((path for path in state_dir.parents if path.name == ".codecourier"), state_dir)


def _closed_parents(shown: list[Path]) -> list[Path]:
    """Return the folders above the shown ones that other users may not pass through."""
    parents = {parent for path in shown for parent in path.parents if parent != Path("/")}
    return sorted(path for path in parents if not path.stat().st_mode & _TRAVERSABLE)


def _report_isolation(settings: NodeSettings) -> None:
    if settings.isolates:
        _LOG.info(
            "containers have users, process ids, mounts and a root of their own; "
            "the network is this machine's, and an image is only a name"
        )
        return
    why = "it was asked for" if os.geteuid() == 0 and sys.platform == "linux" else "this needs root on Linux"
    _LOG.warning(
        "containers are NOT isolated from each other or from this user's files (%s): users, groups, mounts and "
        "read-only are ignored, and mount paths in commands and environment are rewritten to folders below %s",
        why,
        settings.pods_dir,
    )


if __name__ == "__main__":
    main()
