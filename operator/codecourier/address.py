"""The one grammar of repository addresses.

The CRDs validate by it, the forge's client splits addresses by it and a sandbox pod checks by it, so that an address
that the API server accepts works everywhere. Standard library only.
"""

from __future__ import annotations

import re

__all__ = [
    "ADDRESS_FORM",
    "ADDRESS_MAX_LENGTH",
    "ADDRESS_MIN_LENGTH",
    "ADDRESS_PATTERN",
    "HOST_FORM",
    "ISSUE_ADDRESS_MAX_LENGTH",
    "ISSUE_FORM",
    "ISSUE_PATTERN",
    "PREFIX_FORM",
    "PULL_REQUEST_ADDRESS_MAX_LENGTH",
    "PULL_REQUEST_FORM",
    "PULL_REQUEST_PATTERN",
    "normalize_host",
    "plain_issue_address",
    "split_address",
    "split_issue_address",
    "split_prefix",
    "split_pull_request_address",
]

ADDRESS_FORM = "https://HOST[:PORT]/OWNER/NAME, such as https://github.com/example/shop"
"""The form in words, for messages that end in `must be …`."""

PREFIX_FORM = "https://HOST[:PORT][/OWNER[/NAME]], such as https://github.com/example"
"""The form of what a list of repositories may name: one of them, all of an owner, or all of a host."""

HOST_FORM = "HOST[:PORT], such as github.com"
"""The form of a host in words."""

ADDRESS_MIN_LENGTH = 13
"""Shortest address in characters: `https://h/o/n`."""

ADDRESS_MAX_LENGTH = 512
"""Longest address in characters."""

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = f"{_LABEL}([.]{_LABEL})*"
_PORT = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_SEGMENT = "[.]?[A-Za-z0-9_-][A-Za-z0-9._-]*"
"""Owner or name; `.github` is a name, `.` and `..` are not."""

ADDRESS_PATTERN = f"^https://{_HOST}(:({_PORT}))?/{_SEGMENT}/{_SEGMENT}$"
"""For RE2, Rust and Python alike: no lookaround, and no backslash, which would have to be doubled in CEL."""

ISSUE_ADDRESS_MAX_LENGTH = 640
"""Longest address of an issue in characters."""

ISSUE_FORM = (
    "https://HOST[:PORT]/OWNER/NAME/issues/NUMBER, such as https://github.com/example/shop/issues/12; the address of a "
    "pull request is none"
)
"""The form of an issue's address in words."""

ISSUE_PATTERN = f"^https://{_HOST}(:({_PORT}))?/{_SEGMENT}/{_SEGMENT}/issues/[1-9][0-9]{{0,9}}$"
"""As `ADDRESS_PATTERN`, for an issue of a repository."""

PULL_REQUEST_ADDRESS_MAX_LENGTH = 640
"""Longest address of a pull request in characters."""

PULL_REQUEST_FORM = (
    "https://HOST[:PORT]/OWNER/NAME/pull/NUMBER, such as https://github.com/example/shop/pull/7; the address of an "
    "issue is none"
)
"""The form of a pull request's address in words."""

PULL_REQUEST_PATTERN = f"^https://{_HOST}(:({_PORT}))?/{_SEGMENT}/{_SEGMENT}/pull/[1-9][0-9]{{0,9}}$"
"""As `ADDRESS_PATTERN`, for a pull request of a repository."""

_ADDRESS = re.compile(ADDRESS_PATTERN)
_HOST_AND_PORT = re.compile(f"{_HOST}(:({_PORT}))?")
_PREFIX = re.compile(f"https://{_HOST}(:({_PORT}))?(/{_SEGMENT}){{0,2}}/?")


def split_address(url: str) -> tuple[str, str, str] | None:
    """Split an address into its parts.

    Returns
    -------
    tuple or None
        Host in lower case, with the port unless it is 443; owner; name without `.git`. None if it is not an address.
    """
    if len(url) > ADDRESS_MAX_LENGTH or not _ADDRESS.fullmatch(url):
        return None
    host, owner, name = url.removeprefix("https://").split("/")
    return _plain_host(host), owner, _plain_name(name)


def split_issue_address(url: str) -> tuple[str, int]:
    """Split the address of an issue that follows `ISSUE_FORM` into that of its repository and its number.

    Raises
    ------
    ValueError
        If it does not follow it.
    """
    if len(url) > ISSUE_ADDRESS_MAX_LENGTH or not re.fullmatch(ISSUE_PATTERN, url):
        raise ValueError(f"the address of an issue must be {ISSUE_FORM}")
    repository, number = url.rsplit("/issues/", 1)
    return repository, int(number)


def split_pull_request_address(url: str) -> tuple[str, int]:
    """Split the address of a pull request that follows `PULL_REQUEST_FORM` into its repository's and its number.

    Raises
    ------
    ValueError
        If it does not follow it.
    """
    if len(url) > PULL_REQUEST_ADDRESS_MAX_LENGTH or not re.fullmatch(PULL_REQUEST_PATTERN, url):
        raise ValueError(f"the address of a pull request must be {PULL_REQUEST_FORM}")
    repository, number = url.rsplit("/pull/", 1)
    return repository, int(number)


def plain_issue_address(url: str) -> str:
    """Return the address under which the page of an issue is: with neither port 443 nor `.git`.

    Raises
    ------
    ValueError
        If it does not follow `ISSUE_FORM`.
    """
    repository, number = split_issue_address(url)
    parts = split_address(repository)
    return url if parts is None else f"https://{'/'.join(parts)}/issues/{number}"


def split_prefix(url: str) -> tuple[str, ...] | None:
    """Split the beginning of addresses into its whole parts, in the form in which `split_address` returns them.

    Returns
    -------
    tuple or None
        Host; host and owner; or host, owner and name. None if it does not follow `PREFIX_FORM`.
    """
    if len(url) > ADDRESS_MAX_LENGTH or not _PREFIX.fullmatch(url):
        return None
    host, *path = url.removeprefix("https://").removesuffix("/").split("/")
    return (_plain_host(host), *path[:1], *map(_plain_name, path[1:]))


def normalize_host(text: str) -> str | None:
    """Return a host in lower case, with its port unless that is 443; None if it does not follow `HOST_FORM`."""
    if len(text) > ADDRESS_MAX_LENGTH or not _HOST_AND_PORT.fullmatch(text):
        return None
    return _plain_host(text)


def _plain_host(host: str) -> str:
    return host.lower().removesuffix(":443")


def _plain_name(name: str) -> str:
    return name.removesuffix(".git") or name
