"""The commands of the embedded cluster: ``codecourier local …``."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from codecourier.local.binaries import find_binaries
from codecourier.local.cluster import Condition, LocalCluster, UpOutcome
from codecourier.local.errors import LocalError
from codecourier.local.forge.address import ForgeAddress
from codecourier.local.logs import print_component_log, print_container_log
from codecourier.local.options import ClusterOptions

__all__ = ["app"]

app = typer.Typer(
    name="local", add_completion=False, help="An embedded cluster on this machine, to try CodeCourier and to test it."
)

StateDir = Annotated[Path, typer.Option("--state-dir", help="The folder with all of the cluster's state.")]
_DEFAULT_STATE_DIR = Path(".codecourier")

_OUTCOMES = {
    UpOutcome.CREATED: "The cluster is up.",
    UpOutcome.ATTACHED: "The cluster was up already: attached to it.",
    UpOutcome.REPAIRED: "The cluster was up in part: attached to it, and started what was missing.",
}

_CONDITION_STYLES = {Condition.READY: "green", Condition.NOT_ANSWERING: "yellow", Condition.DEAD: "red"}


@app.command()
def up(
    *,
    kind: Annotated[bool, typer.Option("--kind", help="Use a kind cluster; needs Docker and kind.")] = False,
    node: Annotated[bool, typer.Option("--node/--no-node", help="Run the process node.")] = True,
    forge: Annotated[bool, typer.Option("--forge/--no-forge", help="Run the forge.")] = True,
    operator: Annotated[bool, typer.Option("--operator/--no-operator", help="Run an operator.")] = True,
    rest_api: Annotated[bool, typer.Option("--rest-api/--no-rest-api", help="Run the REST API.")] = True,
    state_dir: StateDir = _DEFAULT_STATE_DIR,
) -> None:
    """Bring the cluster up; attach to it where it is up already."""
    options = ClusterOptions(
        kind=kind, with_node=node, with_forge=forge, with_operator=operator, with_rest_api=rest_api
    )
    cluster = LocalCluster(state_dir, options, typer.echo)
    with _errors_told(), _terminated_like_interrupted():
        outcome = cluster.up()
    typer.echo(_OUTCOMES[outcome])
    typer.echo(f"  export KUBECONFIG={cluster.kubeconfig_path}")
    typer.echo("  kubectl get nodes,crds")
    if rest_api:
        typer.echo("  codecourier apikey create NAME --namespace PROJECT    # a key for the REST API")
        typer.echo(f"  export CURL_CA_BUNDLE={cluster.rest_authority_path}")
        typer.echo(f'  curl -H "Authorization: Bearer $KEY" {cluster.rest_url}/sprint-chains')
    if forge and not operator:
        address = ForgeAddress.read(cluster.layout.forge)
        variables = " ".join(f"{name}={value}" for name, value in address.operator_variables.items())
        typer.echo(f"  {variables} codecourier operator    # one that may ask the cluster's forge, {address.base_url}")
    typer.echo("  codecourier local status    # and: logs, kubeconfig, down")


@app.command()
def fetch() -> None:
    """Get the control plane's programs into the cache, and print their folder."""
    with _errors_told():
        folder = find_binaries(lambda line: typer.echo(line, err=True), checkpoint=lambda: None)
    typer.echo(folder)


@app.command()
def status(*, state_dir: StateDir = _DEFAULT_STATE_DIR) -> None:
    """Show the condition of each component; exit code 1 unless all that were started are ready."""
    with _errors_told():
        components = LocalCluster(state_dir).status()
    if not components:
        typer.echo(f"There is no cluster in {state_dir}: run `codecourier local up`.")
        raise typer.Exit(1)
    table = Table("COMPONENT", "CONDITION", "PID", "PORT", box=None, pad_edge=False)
    for item in components:
        style = _CONDITION_STYLES.get(item.condition, "dim")
        table.add_row(item.name, item.condition.value, str(item.pid or "-"), _ports(item.ports), style=style)
    Console().print(table)
    if any(item.condition in (Condition.DEAD, Condition.NOT_ANSWERING) for item in components):
        typer.echo("`codecourier local up` starts what is dead; `codecourier local logs COMPONENT` says why it died.")
        raise typer.Exit(1)


@app.command()
def down(*, state_dir: StateDir = _DEFAULT_STATE_DIR) -> None:
    """End all that `up` started, also in the middle of an `up`, and remove its state."""
    with _errors_told():
        had_cluster = LocalCluster(state_dir).down()
    typer.echo("The cluster is down." if had_cluster else f"There was no cluster in {state_dir}.")


@app.command()
def logs(
    source: Annotated[str, typer.Argument(metavar="COMPONENT|POD", help="A component, or a pod.")],
    container: Annotated[str | None, typer.Argument(help="The pod's container.")] = None,
    *,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="The pod's namespace.")] = "default",
    state_dir: StateDir = _DEFAULT_STATE_DIR,
) -> None:
    """Print what a component, or a container of a pod, wrote."""
    layout = LocalCluster(state_dir).layout
    with _errors_told():
        if container is None:
            print_component_log(layout, source)
        else:
            print_container_log(layout, namespace, source, container)


@app.command()
def kubeconfig(*, state_dir: StateDir = _DEFAULT_STATE_DIR) -> None:
    """Print the path of the administrator's kubeconfig."""
    path = LocalCluster(state_dir).kubeconfig_path
    with _errors_told():
        if not os.access(path, os.R_OK):
            raise LocalError(f"there is no cluster in {state_dir}: run `codecourier local up`")
    typer.echo(path)


def _ports(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports)) or "-"


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM clean up as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except LocalError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
