"""One REST request as a handler sees it, and its answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from codecourier.local.forge.accounts import Principal
from codecourier.local.forge.errors import RefusedError, not_found
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.git import BareRepository
from codecourier.local.forge.records import Pull, Repository

__all__ = ["Answer", "Call", "Endpoint", "Handler", "paginate"]

_T = TypeVar("_T")

_PAGE_SIZE = 30
"""GitHub's page without `per_page`."""

_LARGEST_PAGE = 100
"""GitHub's largest page."""


@dataclass(frozen=True)
class Answer:
    """What a handler answers."""

    body: Any = None
    """JSON; None for no content."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A request whose sender may send it."""

    forge: Forge
    principal: Principal | None
    """None without a credential."""

    found: Repository | None
    """The repository in the path; None for paths without."""

    path: str
    """Below the API's root."""

    parameters: Mapping[str, str]
    """Placeholders of the path."""

    query: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def repository(self) -> Repository:
        """The repository in the path."""
        if self.found is None:
            raise not_found()
        return self.found

    @property
    def git(self) -> BareRepository:
        """The Git side of the repository in the path."""
        return self.forge.repositories.git(self.repository)

    @property
    def pull(self) -> Pull:
        """The pull request in the path.

        Raises
        ------
        RefusedError
            404 if there is none.
        """
        number = self.parameters["number"]
        pull = self.forge.pulls.find(self.repository, int(number)) if number.isdecimal() else None
        if pull is None:
            raise not_found()
        return pull

    @property
    def login(self) -> str:
        """The sender's login."""
        return self.principal.login if self.principal else "ghost"

    def may(self, permission: str, level: str) -> bool:
        """Return whether the sender holds a permission in the repository."""
        return self.principal is not None and self.principal.may(self.repository, permission, level)

    def text(self, name: str) -> str:
        """Return a string of the body that must be there.

        Raises
        ------
        RefusedError
            422 if it is not, or no string.
        """
        value = self.optional_text(name)
        if not value:
            raise RefusedError(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a string of the body, or None.

        Raises
        ------
        RefusedError
            422 if it is no string.
        """
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise RefusedError(422, f"Invalid request.\n\nFor 'properties/{name}', {value!r} is not a string.")
        return value

    def commit_sha(self, revision: str) -> str:
        """Return the SHA of a commit that is named in the path or the body.

        Raises
        ------
        RefusedError
            422 if there is no such commit.
        """
        sha = self.git.resolve(revision)
        if sha is None:
            raise RefusedError(422, f"No commit found for SHA: {revision}")
        return sha


Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Endpoint:
    """A route of the REST API."""

    method: str
    path: str
    """Below the API's root; `{name}` is one segment, `{name:path}` any number."""

    handler: Handler
    permission: tuple[str, str] | None = None
    """Permission and level that are asked in the repository; None where the handler decides."""


def paginate(
    call: Call, items: Sequence[_T], render: Callable[[_T], Any], *, wrap: Callable[[list[Any]], Any] | None = None
) -> Answer:
    """Answer one page of a list, with links to its neighbours.

    Parameters
    ----------
    call
        The request; its query names the page.
    items
        The whole list.
    render
        Makes JSON of one item; called for this page's only.
    wrap
        Puts the page into an object, where GitHub does.
    """
    size = min(_LARGEST_PAGE, _positive(call.query.get("per_page"), _PAGE_SIZE))
    page = _positive(call.query.get("page"), 1)
    last = max(1, math.ceil(len(items) / size))
    neighbours = {"prev": page - 1, "first": 1} if page > 1 else {}
    neighbours |= {"next": page + 1, "last": last} if page < last else {}
    links = [
        f'<{call.forge.api_url}{call.path}?{urlencode({**call.query, "page": number})}>; rel="{name}"'
        for name, number in neighbours.items()
    ]
    rendered = [render(item) for item in items[(page - 1) * size : page * size]]
    return Answer(wrap(rendered) if wrap else rendered, headers={"link": ", ".join(links)} if links else {})


def _positive(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else default
