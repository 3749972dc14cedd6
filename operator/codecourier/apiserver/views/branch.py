"""Branches in the REST API: what the host says of them, and which run made them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from codecourier.apiserver.answers import Instant, View
from codecourier.apiserver.ids import RUN_ID
from codecourier.apiserver.refusal import Detail, bad_request
from codecourier.github.operations.branch import BranchFacts

__all__ = [
    "BranchDeleted",
    "BranchQuery",
    "BranchView",
    "branch_of",
    "is_branch_name",
    "object_name_of",
    "read_cursor",
    "view_branch",
    "write_cursor",
]

_NAME_MAX_BYTES = 1024
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ufffd]|\.\.|@\{|//|/\.|^[./]|[./]$|^@$|\.lock(?:/|$)")
"""What no name may have (git check-ref-format), and the character that stands for bytes that are no UTF-8."""

_TO_OBJECT, _FROM_OBJECT = str.maketrans("/%", ":~"), str.maketrans(":~", "/%")


class BranchQuery(BaseModel):
    """Which branches are asked for."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    prefix: Annotated[str, Field(max_length=255)] | None = None
    """Only branches whose names begin with this, such as `feature/`; absent: all."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    """Most branches of the answer, 1 to 1000."""

    cursor: Annotated[str, Field(max_length=4096)] | None = None
    """`nextCursor` of the page before. A page may have fewer branches than `limit` although there are more."""

    githubRepoUrl: Annotated[str, Field(max_length=512)] | None = None  # noqa: N815  the name in the query
    """Another repository of the project than its default one."""


class BranchView(View):
    """A branch of a repository."""

    name: str
    sha: str
    """The last commit."""

    author: str | None
    """Login of the last commit's author, else the name in the commit; null if the host does not say."""

    committed_at: Instant | None
    """When the last commit was made; null if the host does not say."""

    is_protected: bool
    is_default: bool
    run_id: str | None
    """The run that made it; null: none of this project's did."""


class BranchDeleted(View):
    """A branch that was deleted."""

    name: str
    is_deleted: bool = True


def view_branch(branch: BranchFacts, run: str | None) -> BranchView:
    """Return what is shown of a branch.

    Parameters
    ----------
    branch
        What the host says.
    run
        Name of the run that made it.
    """
    return BranchView(
        name=branch.name,
        sha=branch.sha,
        author=branch.author,
        committed_at=branch.committed_at,
        is_protected=branch.is_protected,
        is_default=branch.is_default,
        run_id=None if run is None else RUN_ID + run,
    )


def is_branch_name(name: str) -> bool:
    """Return whether a repository may have a branch of this name."""
    encoded = name.encode("utf-8", "replace")
    return 0 < len(encoded) <= _NAME_MAX_BYTES and not _FORBIDDEN.search(name)


def object_name_of(branch: str) -> str:
    """Return the name of a branch as an object of Kubernetes' API, where no name has a `/` or `%`.

    What stands for them is in no name of a branch.
    """
    return branch.translate(_TO_OBJECT)


def branch_of(object_name: str) -> str | None:
    """Return the branch that has this name as an object of Kubernetes' API; None: none can."""
    branch = object_name.translate(_FROM_OBJECT)
    return branch if is_branch_name(branch) and object_name_of(branch) == object_name else None


_CURSOR = TypeAdapter(tuple[str, str, str])


def write_cursor(url: str, prefix: str, place: str) -> str:
    """Return the cursor of the next page of a list: the repository, the prefix, and where the host goes on."""
    return base64.urlsafe_b64encode(orjson.dumps([url, prefix, place])).decode()


def read_cursor(cursor: str | None, url: str, prefix: str) -> str:
    """Return where the host goes on; empty: at the beginning.

    Raises
    ------
    Refusal
        400 if the cursor is none of this list.
    """
    if cursor is None:
        return ""
    try:
        of_url, of_prefix, place = _CURSOR.validate_json(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (binascii.Error, UnicodeEncodeError, ValidationError):
        of_url = of_prefix = place = ""
    if (of_url, of_prefix) != (url, prefix) or not place:
        message = "The cursor is not the nextCursor of an earlier answer to the same question. Begin without one."
        raise bad_request(Detail(field="cursor", message=message))
    return place
