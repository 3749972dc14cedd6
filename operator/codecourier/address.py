"""The one grammar of repository addresses.

The CRDs validate by it, the forge's client splits addresses by it and a sandbox pod checks by it, so that an address
that the API server accepts works everywhere. Standard library only.
"""

from __future__ import annotations

import re

__all__ = ["ADDRESS_FORM", "ADDRESS_MAX_LENGTH", "ADDRESS_MIN_LENGTH", "ADDRESS_PATTERN", "split_address"]

ADDRESS_FORM = "https://HOST[:PORT]/OWNER/NAME, such as https://github.com/example/shop"
"""The form in words, for messages that end in `must be …`."""

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

_ADDRESS = re.compile(ADDRESS_PATTERN)


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
    return host.lower().removesuffix(":443"), owner, name.removesuffix(".git") or name
