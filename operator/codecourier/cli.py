"""The command ``codecourier``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

__all__ = ["app", "main"]

# ruff: noqa: PLC0415 - the operator's process must not load the embedded cluster, nor its commands the operator


_GROUPS = {
    "apikey": "codecourier.apiserver.key_commands",
    "explain": "codecourier.apiserver.explain_command",
    "local": "codecourier.local.commands",
}
"""Module of each group of commands, or command, that is loaded only where it is asked for."""


class _Commands(TyperGroup):
    """Loads groups of commands only where they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return [*super().list_commands(ctx), *_GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name."""
        if cmd_name not in _GROUPS:
            return super().get_command(ctx, cmd_name)
        return typer.main.get_command(import_module(_GROUPS[cmd_name]).app)


app = typer.Typer(name="codecourier", no_args_is_help=True, cls=_Commands)


@app.callback()
def main() -> None:
    """Run coding agents against Git repositories, as Kubernetes resources."""


@app.command()
def operator(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig of the cluster; default: the service account, else $KUBECONFIG.")
    ] = None,
    namespace: Annotated[str | None, typer.Option(help="Namespace of the operator's Lease.")] = None,
    identity: Annotated[str | None, typer.Option(help="Name of this operator; in a cluster its pod's.")] = None,
    listen_port: Annotated[int | None, typer.Option(help="Port of probes and metrics; 0 takes a free one.")] = None,
) -> None:
    """Run the operator.

    CODECOURIER_… variables set everything else: docs/operations.md lists them.
    """
    from codecourier.controller.collector import collect_seldom
    from codecourier.controller.serve import serve
    from codecourier.controller.vitals import VitalTaskEndedError
    from codecourier.errors import SettingsError
    from codecourier.kube.access import AccessError, load_access
    from codecourier.logs import configure_logging
    from codecourier.settings import load_settings

    if kubeconfig is not None:
        os.environ["KUBECONFIG"] = str(kubeconfig)  # Kopf reads it for itself
    try:
        settings = load_settings(os.environ, namespace=namespace, identity=identity, listen_port=listen_port)
        configure_logging(settings.log_format, settings.log_level)
        access = load_access(kubeconfig)
        collect_seldom()
        is_graceful = asyncio.run(serve(settings, access))
    except (SettingsError, AccessError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except VitalTaskEndedError as error:
        typer.echo(f"error: {error}. The operator stops; start it again.", err=True)
        raise typer.Exit(1) from error
    if not is_graceful:
        typer.echo(
            "error: the Lease could not be renewed in time, or another operator took it. Start this one again.",
            err=True,
        )
        raise typer.Exit(1)


@app.command()
def apiserver(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig of the cluster; default: the service account, else $KUBECONFIG.")
    ] = None,
    listen_port: Annotated[int | None, typer.Option(help="Port of the API and its probes; 0 takes a free one.")] = None,
) -> None:
    """Serve the REST API.

    CODECOURIER_API_… variables set everything else, and those of repositories' hosts: docs/rest-api.md lists them.
    """
    from codecourier.apiserver.serve import run_api_server
    from codecourier.apiserver.settings import load_api_settings
    from codecourier.errors import SettingsError
    from codecourier.kube.access import AccessError, load_access
    from codecourier.logs import configure_logging
    from codecourier.settings import load_forge_settings

    try:
        settings = load_api_settings(os.environ, listen_port=listen_port)
        configure_logging(settings.log_format, settings.log_level)
        run_api_server(settings, load_forge_settings(os.environ), load_access(kubeconfig))
    except (SettingsError, AccessError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


@app.command()
def demo(
    agent: Annotated[
        str | None, typer.Option(help="A shell command to use as the agent; default: the scripted one.")
    ] = None,
    state_dir: Annotated[Path, typer.Option(help="State folder of the cluster.")] = Path(".codecourier"),
) -> None:
    """Run a chain of three sprints on an embedded cluster and show it live."""
    from codecourier.local.demo.play import play

    _play(play, state_dir, agent)


@app.command()
def demo_merge(
    agent: Annotated[
        str | None, typer.Option(help="A shell command that resolves the conflict; default: the one of the example.")
    ] = None,
    state_dir: Annotated[Path, typer.Option(help="State folder of the cluster.")] = Path(".codecourier"),
) -> None:
    """Merge three pull requests of which two conflict on an embedded cluster and show it live."""
    from codecourier.local.demo.merge_play import play_merges

    _play(play_merges, state_dir, agent)


def _play(play: Callable[[Path, str | None], bool], state_dir: Path, agent: str | None) -> None:
    """Play a demonstration, and end with 1 unless it ended as it should."""
    from codecourier.local.errors import LocalError

    try:
        is_completed = play(state_dir, agent)
    except LocalError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        typer.echo("\nInterrupted. The cluster stays up as far as it was started; `make down` stops it.", err=True)
        raise typer.Exit(130) from error
    if not is_completed:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
