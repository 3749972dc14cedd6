"""Copies of finished objects: the results of a real Run, under other names, as after weeks of work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from codecourier.core.shared.naming import uid_hash

__all__ = ["as_new", "renamed"]

_GIVEN_BY_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")

Json = dict[str, Any]


def renamed(obj: Json, names: Mapping[str, str], uids: Mapping[str, str]) -> Json:
    """Return a copy with names and UIDs replaced wherever they occur, hashes of the UIDs too.

    Parameters
    ----------
    obj
        The object.
    names
        New names by old ones; no old name may be part of another word of the object.
    uids
        New UIDs by old ones.
    """
    text = orjson.dumps(obj).decode()
    hashes = {uid_hash(old): uid_hash(new) for old, new in uids.items()}
    for old, new in {**uids, **hashes, **names}.items():
        text = text.replace(old, new)
    copy: Json = orjson.loads(text)
    return copy


def as_new(obj: Json, namespace: str) -> Json:
    """Return a copy that can be created in a namespace: without the fields that the API server sets."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _GIVEN_BY_SERVER}
    return {**obj, "metadata": {**metadata, "namespace": namespace}}
