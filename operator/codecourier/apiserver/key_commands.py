"""The commands ``codecourier apikey …``: keys of REST clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError

from codecourier.apiserver.keys import create_key, list_keys, revoke_key
from codecourier.kube.access import AccessError, load_access
from codecourier.kube.api import KubeApi
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import KubeError
from codecourier.resources.api_key import APIKey

__all__ = ["app"]

T = TypeVar("T")

app = typer.Typer(name="apikey", add_completion=False, no_args_is_help=True, help="Keys of clients of the REST API.")

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="The project: its namespace.")]
Kubeconfig = Annotated[Path | None, typer.Option(help="Kubeconfig of the cluster; default: $KUBECONFIG.")]


@app.command()
def create(
    owner: Annotated[str, typer.Argument(help="Person or program that gets the key: letters, digits and . _ @ -")],
    *,
    namespace: Namespace,
    days: Annotated[int, typer.Option(min=0, max=3650, help="How long it is valid; 0: it does not expire.")] = 90,
    requests_per_minute: Annotated[int, typer.Option(min=1, max=100_000, help="How many requests it may make.")] = 600,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make a key. It is printed once, on the standard output, and can never be shown again."""
    expiry = (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0) if days else None
    made = _run(kubeconfig, lambda api: create_key(api, namespace, owner, expiry, requests_per_minute))
    until = f"until {expiry:%Y-%m-%d}" if expiry else "without an end"
    typer.echo(f"APIKey {made.name} of {owner} is valid {until}. This is the only time that it is shown:", err=True)
    typer.echo(made.key)
    user = f"codecourier:{namespace}:{owner}"
    typer.echo(f"A RoleBinding in namespace {namespace} says what user {user} may do.", err=True)


@app.command("list")
def show(*, namespace: Namespace, kubeconfig: Kubeconfig = None) -> None:
    """List the keys of a project, without the keys themselves."""
    keys = _run(kubeconfig, lambda api: list_keys(api, namespace))
    now = datetime.now(UTC)
    rows = [("NAME", "OWNER", "EXPIRES", "RATE"), *(_row(key, now) for key in keys)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the APIKey, as `list` shows it.")],
    *,
    namespace: Namespace,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Revoke a key, for good: its APIKey is deleted."""
    _run(kubeconfig, lambda api: revoke_key(api, namespace, name))
    typer.echo(f"APIKey {name} is revoked.")


def _row(key: APIKey, now: datetime) -> tuple[str, ...]:
    expiry = key.spec.expiry_time
    when = "never" if expiry is None else f"{expiry:%Y-%m-%d}" + (" (expired)" if expiry <= now else "")
    return key.name, key.spec.owner, when, f"{key.spec.requests_per_minute}/min"


def _run(kubeconfig: Path | None, work: Callable[[KubeApi], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with AiohttpKube(load_access(kubeconfig), user_agent="codecourier-cli") as api:
            return await work(api)

    try:
        return asyncio.run(connected())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        typer.echo(f"error: {first['loc'][-1]}: {first['msg']}", err=True)
        raise typer.Exit(2) from None
    except (AccessError, KubeError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
