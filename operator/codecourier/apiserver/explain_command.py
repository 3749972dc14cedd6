"""The command ``codecourier explain``: why an object is where it is, with the account of the user who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from codecourier.apiserver.explained import AROUND, EXPLAINED
from codecourier.core.explain.explain import explain
from codecourier.core.explain.explanation import Cause, Explanation, Subject
from codecourier.core.explain.surroundings import Explained, Surroundings, subjects_of
from codecourier.kube.access import AccessError, load_access
from codecourier.kube.api import KubeApi
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import Forbidden, KubeError, NotFound
from codecourier.resources.meta import CustomResource

__all__ = ["app", "explain_named", "render"]

app = typer.Typer(add_completion=False)


class Kind(StrEnum):
    """What can be explained."""

    RUN = "Run"
    SPRINT_CHAIN = "SprintChain"
    RECURRING_TASK = "RecurringTask"
    ISSUE_SESSION = "IssueSession"
    MERGE_JOB = "MergeJob"


@app.command()
def show(
    kind: Annotated[Kind, typer.Argument(help="Kind of the object.", case_sensitive=False)],
    name: Annotated[str, typer.Argument(help="Name of the object.")],
    *,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="The project: its namespace.")],
    kubeconfig: Annotated[Path | None, typer.Option(help="Kubeconfig of the cluster; default: $KUBECONFIG.")] = None,
) -> None:
    """Explain why a run, chain, task or session is where it is, and what to do next."""

    async def connected() -> Explanation:
        async with AiohttpKube(load_access(kubeconfig), user_agent="codecourier-cli") as api:
            return await explain_named(api, kind, namespace, name, datetime.now(UTC))

    try:
        explanation = asyncio.run(connected())
    except ValidationError as error:
        typer.echo(
            f"error: this version cannot read the object: {error.error_count()} fields are unknown to it", err=True
        )
        raise typer.Exit(1) from None
    except (AccessError, KubeError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    for line in render(explanation):
        typer.echo(line)


async def explain_named(api: KubeApi, kind: Kind, namespace: str, name: str, now: datetime) -> Explanation:
    """Return why an object is where it is.

    Raises
    ------
    KubeError
        If the object cannot be read. What is around it and cannot be read is left out.
    ValidationError
        If the object is none that this version can read.
    """
    source = EXPLAINED[kind]
    obj: Explained = source.parse(await api.get(source.resource, namespace, name))
    return explain(obj, await _around(api, obj), now)


async def _around(api: KubeApi, obj: Explained) -> Surroundings:
    objects: dict[Subject, CustomResource] = {}
    unknown = set[Subject]()
    for subject in subjects_of(obj):
        source = AROUND[subject.kind]
        try:
            objects[subject] = source.parse(await api.get(source.resource, obj.namespace, subject.name))
        except NotFound:
            continue
        except (Forbidden, ValidationError):
            unknown.add(subject)
    return Surroundings(objects, frozenset(unknown))


def render(explanation: Explanation) -> Iterator[str]:
    """Yield the lines that the command prints."""
    yield explanation.sentence
    for cause in explanation.causes:
        yield ""
        yield from _render(cause)


def _render(cause: Cause) -> Iterator[str]:
    yield f"{cause.code}: {cause.subject.kind} {cause.subject.name}"
    yield f"  {cause.sentence}"
    if cause.next_step is not None:
        yield f"  {cause.next_step}"
    times = [
        f"{word} {time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        for word, time in (("since", cause.since), ("until", cause.until))
        if time is not None
    ]
    if times:
        yield f"  {', '.join(times)}"
