"""Where a credential may go: its owner says so on the Secret or the Namespace, and this decides from that alone.

No value of a Secret is read here. Users who may edit a Project but may not write Secrets can name any Secret, so the
name is no consent: the label is, and it is set by users who may write Secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from codecourier.address import PREFIX_FORM, split_address, split_prefix
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.naming import (
    ANNOTATION_APP_REPOSITORIES,
    ANNOTATION_REPOSITORIES,
    LABEL_AGENT_READABLE,
    LABEL_MANAGED,
    LABEL_REPOSITORY_CREDENTIAL,
)
from codecourier.core.shared.reasons import Reason, sentence

__all__ = [
    "SECRET_TYPE",
    "SecretMetadata",
    "find_agent_fault",
    "find_app_problem",
    "find_host_problem",
    "find_secret_problem",
    "is_same_repository",
    "repository_key",
]

SECRET_TYPE = "codecourier.dev/repository-credential"  # noqa: S105  a type's name
"""Type of Secrets that hold nothing but a repository's credential; `Opaque` ones are taken too."""

PREFIXES_MAX_LENGTH = 16_384
"""Longest list of URL prefixes in characters; a longer one is malformed."""

_TAKEN_TYPES = frozenset({"", "Opaque", SECRET_TYPE})
_CLUSTER_TYPES = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
_YES = "true"
_MOST_KEYS = 20
"""How many keys of a Secret a sentence names."""

_SEPARATOR = re.compile(r"[,\n]")

RepositoryKey = tuple[str, ...]
"""What equal repositories have in common, or the beginning of it: host, owner, name."""


@dataclass(frozen=True)
class SecretMetadata:
    """What a Secret says of itself, without its values."""

    name: str
    type: str = "Opaque"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def has(self, label: str) -> bool:
        """Return whether a label is set to `true`."""
        return self.labels.get(label) == _YES


def find_secret_problem(secret: SecretMetadata, url: str) -> Problem | None:
    """Return why the token in a Secret must not be sent to a repository's host, or None when it may be.

    Parameters
    ----------
    secret
        The Secret that a Project names.
    url
        Address of the repository.
    """
    detail = _find_fault(secret, url)
    if detail is None:
        return None
    reason = Reason.SECRET_NOT_ALLOWED
    return Problem(reason, sentence(reason, secret=secret.name, repository=url, detail=detail))


def _find_fault(secret: SecretMetadata, url: str) -> str | None:
    if secret.type not in _TAKEN_TYPES:
        return f"its type is not Opaque. Store the token in a Secret of type Opaque or {SECRET_TYPE}."
    if secret.has(LABEL_MANAGED):
        return "it belongs to a Sandbox. Name a Secret of your own."
    if not secret.has(LABEL_REPOSITORY_CREDENTIAL):
        return f"it is not meant for repositories. If it is, label it {LABEL_REPOSITORY_CREDENTIAL}={_YES}."
    if secret.has(LABEL_AGENT_READABLE):
        return f"agents may read it. Take the label {LABEL_AGENT_READABLE} off, or use a Secret of its own."
    prefixes = secret.annotations.get(ANNOTATION_REPOSITORIES)
    return None if prefixes is None else _find_prefix_fault(ANNOTATION_REPOSITORIES, prefixes, url)


def find_app_problem(namespace: str, prefixes: str | None, url: str) -> Problem | None:
    """Return why a namespace may not use the operator's GitHub App for a repository, or None when it may.

    Parameters
    ----------
    namespace
        Name of the namespace.
    prefixes
        The URL prefixes that the Namespace's annotation allows; None: it has no such annotation, which allows nothing.
    url
        Address of the repository.
    """
    if prefixes is None:
        detail: str | None = f"the Namespace has no annotation {ANNOTATION_APP_REPOSITORIES}."
    else:
        detail = _find_prefix_fault(ANNOTATION_APP_REPOSITORIES, prefixes, url)
    if detail is None:
        return None
    reason = Reason.APP_NOT_ALLOWED
    return Problem(reason, sentence(reason, namespace=namespace, repository=url, detail=detail))


def find_host_problem(hosts: frozenset[str], url: str) -> Problem | None:
    """Return why the operator asks nothing at a repository's host, or None when the host is one of the allowed ones.

    Parameters
    ----------
    hosts
        The allowed hosts, in lower case, each with its port unless that is 443.
    url
        Address of the repository.
    """
    parts = split_address(url)
    if parts is not None and parts[0] in hosts:
        return None
    reason = Reason.HOST_NOT_ALLOWED
    return Problem(reason, sentence(reason, repository=url, host=parts[0] if parts is not None else url))


def find_agent_fault(secret: SecretMetadata | None, keys: Collection[str], key: str) -> str | None:
    """Return why agents cannot read a key of a Secret, as the end of a sentence, or None when they can.

    The names of its keys are given only for a Secret that agents may read.

    Parameters
    ----------
    secret
        The Secret; None where there is none.
    keys
        Its keys.
    key
        The key that is needed.
    """
    if secret is None:
        return "it is not there."
    if not secret.has(LABEL_AGENT_READABLE):
        return "it has no such label."
    if secret.has(LABEL_REPOSITORY_CREDENTIAL) or secret.type == SECRET_TYPE:
        return "it is meant for repositories, and such a Secret is never read by agents."
    if secret.has(LABEL_MANAGED) or secret.type in _CLUSTER_TYPES:
        return "it belongs to the cluster, and such a Secret is never read by agents."
    if key in keys:
        return None
    known = ", ".join(sorted(keys)[:_MOST_KEYS])
    return f"it has no key '{key}'; it has: {known}." if known else "it has no keys."


def is_same_repository(one: str, other: str) -> bool:
    """Return whether two addresses name the same repository."""
    return repository_key(one) == repository_key(other)


@lru_cache(maxsize=1024)
def repository_key(url: str) -> RepositoryKey:
    """Return what equal repositories have in common: hosts take owner and name in any case, with or without `.git`."""
    return _lower(split_address(url) or (url,))


def _lower(parts: RepositoryKey) -> RepositoryKey:
    return tuple(part.lower() for part in parts)


def _find_prefix_fault(annotation: str, prefixes: str, url: str) -> str | None:
    allowed = _parse_prefixes(prefixes)
    if isinstance(allowed, str):
        return f"the annotation {annotation} cannot be read: {allowed} Until that is fixed, it allows no repository."
    parts = split_address(url)
    if parts is not None and any(_lower(parts)[: len(prefix)] == prefix for prefix in allowed):
        return None
    return f"the annotation {annotation} does not list the repository. Add it, or its owner, there."


@lru_cache(maxsize=256)
def _parse_prefixes(text: str) -> tuple[RepositoryKey, ...] | str:
    """Return the prefixes of a list, or a sentence about its first fault; the sentence quotes nothing of it."""
    if len(text) > PREFIXES_MAX_LENGTH:
        return f"it is longer than {PREFIXES_MAX_LENGTH} characters."
    entries = [entry.strip() for entry in _SEPARATOR.split(text)]
    allowed = []
    for number, entry in enumerate(filter(None, entries), 1):
        parts = split_prefix(entry)
        if parts is None:
            return f"its entry {number} is not {PREFIX_FORM}."
        allowed.append(_lower(parts))
    return tuple(allowed)
