"""Questions to a host's GraphQL API, whose refusals are in the body of a success: https://docs.github.com/graphql."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codecourier.github.answers import Field
from codecourier.github.errors import CredentialsRefused, ForgeError, ForgeNotFound, ForgeRefused, Unavailable
from codecourier.github.gateway import Request
from codecourier.github.needs import Need
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["CursorUnknown", "GraphQLForbidden", "GraphQLMissing", "ask", "ask_partly", "change"]


class GraphQLMissing(ForgeError):
    """The host has no GraphQL API, or an older one that lacks what was asked for."""


class GraphQLForbidden(CredentialsRefused):
    """The credential may not see a part of what was asked for."""


class CursorUnknown(ForgeError):
    """The host does not know the cursor of a page."""


_REFUSALS = (Refusal(frozenset({404, 405, 501}), GraphQLMissing, "the host has no GraphQL API"),)

_ERRORS: Mapping[str, tuple[type[ForgeError], str]] = {
    "NOT_FOUND": (
        ForgeNotFound,
        "there is no such repository, or the credential may not see it; check the address and the credential",
    ),
    "FORBIDDEN": (GraphQLForbidden, "the credential lacks a permission; check its permissions"),
    "INSUFFICIENT_SCOPES": (GraphQLForbidden, "the credential lacks a permission; check its permissions"),
    "INVALID_CURSOR_ARGUMENTS": (CursorUnknown, "the host does not know the cursor"),
    "UNPROCESSABLE": (ForgeRefused, "the forge refused the request"),
}
"""What the type of an error means."""


def ask(session: Session, query: str, variables: Mapping[str, Any], need: Need) -> Field:
    """Send a query and return the place of its data.

    Raises
    ------
    GraphQLMissing
        If the host cannot be asked this way.
    ForgeError
        If the forge did not answer it.
    """
    return _send(session, query, variables, need, is_query=True)


def ask_partly(session: Session, query: str, variables: Mapping[str, Any], need: Need, part: str) -> Field:
    """Send a query whose answer may lack parts, which are null then; see `ask`.

    Parameters
    ----------
    session
        The way to the host.
    query
        The query.
    variables
        Its variables.
    need
        The permissions of the token.
    part
        The field of the root that must be there: without it, the first error counts as that of the whole.
    """
    field = session.send(_build(query, variables, need, is_query=True))
    data, errors = field.at("data"), field.at("errors").data
    if errors and data.at(part).data is None:
        raise _problem(field.what, errors[0] if isinstance(errors, list) else None, is_query=True)
    return data


def change(session: Session, mutation: str, variables: Mapping[str, Any], need: Need) -> Field:
    """Send a mutation and return the place of its data; see `ask`."""
    return _send(session, mutation, variables, need, is_query=False)


def _send(session: Session, text: str, variables: Mapping[str, Any], need: Need, *, is_query: bool) -> Field:
    field = session.send(_build(text, variables, need, is_query=is_query))
    errors = field.at("errors").data
    if errors:
        raise _problem(field.what, errors[0] if isinstance(errors, list) else None, is_query=is_query)
    return field.at("data")


def _build(text: str, variables: Mapping[str, Any], need: Need, *, is_query: bool) -> Request:
    body = {"query": text, "variables": dict(variables)}
    return Request("POST", "", body=body, refusals=_REFUSALS, need=need, is_graphql=True, is_query=is_query)


def _problem(what: str, error: object, *, is_query: bool) -> ForgeError:
    found = error if isinstance(error, dict) else {}
    kind, said = str(found.get("type") or ""), f'(the forge says: "{found.get("message") or "nothing"}")'
    if kind in _ERRORS:
        made, meaning = _ERRORS[kind]
        return made(f"{what}: {meaning} {said}", status=200)
    extensions = found.get("extensions")
    if not kind and isinstance(extensions, dict) and extensions.get("code"):
        return GraphQLMissing(f"{what}: the host's GraphQL API lacks what was asked for {said}", status=200)
    # Such as a query that took too long; of a mutation some part may have been done.
    return Unavailable(
        f"{what}: the forge failed {said}; it is tried again", may_have_happened=not is_query, status=200
    )
