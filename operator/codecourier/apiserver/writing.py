"""Writes for callers: creations that may be repeated, and changes that lose no other client's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import orjson

from codecourier.apiserver.callers import Caller
from codecourier.apiserver.refusal import Detail, Refusal, bad_request, refusal_of
from codecourier.apiserver.served import Served
from codecourier.cache.source import Source
from codecourier.core.shared.naming import (
    ANNOTATION_REQUEST_HASH,
    ANNOTATION_REQUEST_KEY,
    ANNOTATION_REQUESTED_BY,
)
from codecourier.core.shared.trash import is_trashed
from codecourier.kube.api import Json, KubeApi
from codecourier.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from codecourier.resources.meta import CustomResource

__all__ = ["Creation", "Writer", "check_kept", "missing", "name_object"]

R = TypeVar("R", bound=CustomResource)

_MOST_TRIES = 5
_SUFFIX_LENGTH = 10
_KEYED_SUFFIX_LENGTH = 24
_WORDS_LENGTH = 28
_NO_NAME = re.compile(r"[^a-z0-9]+")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Creation:
    """A creation that a caller asks for."""

    caller: Caller
    route: str
    """Path of the collection."""

    title: str
    """What the object is named from."""

    body: Json
    """The body as it came, for its hash."""

    key: str | None = None
    """The header `Idempotency-Key`."""


def name_object(creation: Creation) -> str:
    """Return a name for a new object.

    With an Idempotency-Key the name follows from caller, route and key alone, so that a repeated request meets the
    object of the first one, on any replica; words of the title would make another name for another body. Without a key
    it ends at random.
    """
    if creation.key is None:
        suffix = base64.b32encode(secrets.token_bytes(_SUFFIX_LENGTH)).decode().lower()[:_SUFFIX_LENGTH]
        words = _NO_NAME.sub("-", creation.title[:200].lower()).strip("-")[:_WORDS_LENGTH].strip("-")
        return f"{words or 'rest'}-{suffix}"
    if not _KEY.fullmatch(creation.key):
        raise bad_request(
            Detail(field="Idempotency-Key", message="The header must be 1 to 255 visible ASCII characters.")
        )
    caller = f"{creation.caller.namespace}\0{creation.caller.identity.user}"
    digest = hmac.digest(caller.encode(), f"{creation.route}\0{creation.key}".encode(), hashlib.sha256)
    return f"key-{base64.b32encode(digest).decode().lower()[:_KEYED_SUFFIX_LENGTH]}"


def _hash_of(body: Json) -> str:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def check_kept(obj: CustomResource) -> None:
    """Make sure that an object is not in the trash.

    Raises
    ------
    Refusal
        404 if it is.
    """
    if is_trashed(obj):
        message = f"The {obj.info.kind} is in the trash. Restore it: POST /api/v1/trash/restore."
        raise Refusal(HTTPStatus.NOT_FOUND, message)


class Writer:
    """Writes objects with the API server's account, and shows each write to the next read.

    Parameters
    ----------
    api
        The cluster's API server.
    served
        The caches.
    """

    def __init__(self, api: KubeApi, served: Served) -> None:
        self._api = api
        self._served = served

    async def create(self, source: Source[R], creation: Creation, spec: Json, fields: Mapping[str, str]) -> R:
        """Create an object, or return the one that the same request has created before.

        Parameters
        ----------
        source
            The kind.
        creation
            Who asks for it, and how it is named.
        spec
            The spec.
        fields
            Names in the body of fields of the spec, for what the cluster refuses.

        Raises
        ------
        Refusal
            409 if the Idempotency-Key was used for another body; what the cluster refuses.
        """
        stamps, name = _stamps_of(creation), name_object(creation)
        made = await self._make(source, creation, name, stamps, spec, fields)
        if made is None:
            made = await self._repeated(source, creation, name, stamps)
        return self._noted(source, made)

    async def create_next(
        self,
        source: Source[R],
        creation: Creation,
        build: Callable[[], tuple[str, Json]],
        fields: Mapping[str, str],
    ) -> R:
        """Create an object whose name follows from what there is, or return the one that the same request has created.

        Parameters
        ----------
        source, creation, fields
            As for `create`.
        build
            Returns name and spec, or raises what the request is refused with. Called again if another object has the
            name; not called for a request that has created an object before.

        Raises
        ------
        Refusal
            As for `create`; 409 if other clients were faster each time.
        """
        stamps = _stamps_of(creation)
        if creation.key is not None:
            stamps[ANNOTATION_REQUEST_KEY] = name_object(creation)
        cache, namespace = self._served.store.cache(source.resource), creation.caller.namespace
        for _ in range(_MOST_TRIES):
            if creation.key is not None:
                for found in cache.list(namespace):
                    if _annotation(found, ANNOTATION_REQUEST_KEY) == stamps[ANNOTATION_REQUEST_KEY]:
                        return source.parse(_checked(found, ANNOTATION_REQUEST_HASH, stamps))
            name, spec = build()
            made = await self._make(source, creation, name, stamps, spec, fields)
            if made is not None:
                return self._noted(source, made)
            with suppress(NotFound):
                cache.note_write(await self._api.get(source.resource, namespace, name))
        raise _overtaken()

    async def _make(
        self,
        source: Source[R],
        creation: Creation,
        name: str,
        stamps: Mapping[str, str],
        spec: Json,
        fields: Mapping[str, str],
    ) -> Json | None:
        """Create an object and return it; None: there is one of this name."""
        resource = source.resource
        metadata = {"name": name, "namespace": creation.caller.namespace, "annotations": dict(stamps)}
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
        try:
            return await self._api.create(resource, obj)
        except AlreadyExists:
            return None
        except KubeError as error:
            raise refusal_of(error, lambda path: _field_of(path, fields)) from error

    async def _repeated(self, source: Source[R], creation: Creation, name: str, stamps: Mapping[str, str]) -> Json:
        found = await self._api.get(source.resource, creation.caller.namespace, name)
        for stamp in stamps:
            _checked(found, stamp, stamps)
        return found

    async def change(
        self,
        source: Source[R],
        caller: Caller,
        name: str,
        build: Callable[[R], Json],
        fields: Mapping[str, str],
        check: Callable[[R], None] = check_kept,
    ) -> R:
        """Change an object by a merge patch that is built from what it is, and return it as it is then.

        Parameters
        ----------
        source
            The kind.
        caller
            Who asks for it.
        name
            Name of the object.
        build
            Returns the patch; empty: there is nothing to change. Called again if another client was faster.
        fields
            As for `create`.
        check
            Raises what an object is refused with as it is.

        Raises
        ------
        Refusal
            404 if there is no such object, 409 if other clients were faster each time; what the cluster refuses.
        """
        found = self._served.find(source, caller.namespace, name)
        for _ in range(_MOST_TRIES):
            if found is None:
                raise missing()
            check(found)
            patch = build(found)
            if not patch:
                return found
            try:
                written = await self._api.patch(source.resource, caller.namespace, name, _stamped(patch, caller, found))
            except Conflict:
                found = self._noted(source, await self._api.get(source.resource, caller.namespace, name))
            except KubeError as error:
                raise refusal_of(error, lambda path: _field_of(path, fields)) from error
            else:
                return self._noted(source, written)
        raise _overtaken()

    async def delete_checked(self, source: Source[R], caller: Caller, name: str, check: Callable[[R], None]) -> R:
        """Delete an object as it is when a check has passed, not as another client has changed it since; return it.

        Parameters
        ----------
        source
            The kind.
        caller
            Who asks for it.
        name
            Name of the object.
        check
            Raises what the object is refused with as it is. Called again if another client was faster.

        Raises
        ------
        Refusal
            404 if there is no such object, 409 if other clients were faster each time.
        """
        found = self._served.find(source, caller.namespace, name)
        for _ in range(_MOST_TRIES):
            if found is None:
                raise missing()
            check(found)
            if found.is_deleting:
                return found
            try:
                await self.delete(source, found, version=found.metadata.resource_version)
            except Conflict:
                found = self._noted(source, await self._api.get(source.resource, caller.namespace, name))
            else:
                return found
        raise _overtaken()

    async def delete(self, source: Source[R], found: R, version: str | None = None) -> R | None:
        """Delete an object, only in a version if one is given; return it while it waits for finalizers, else None."""
        left = await self._api.delete(
            source.resource, found.namespace, found.name, uid=found.uid, resource_version=version
        )
        if left is not None:
            return self._noted(source, left)
        self._served.store.cache(source.resource).note_delete(found.namespace, found.name, found.uid)
        return None

    def _noted(self, source: Source[R], obj: Json) -> R:
        self._served.store.cache(source.resource).note_write(obj)
        return source.parse(obj)


def _stamps_of(creation: Creation) -> dict[str, str]:
    stamps = {ANNOTATION_REQUESTED_BY: creation.caller.identity.user}
    if creation.key is not None:
        stamps[ANNOTATION_REQUEST_HASH] = _hash_of(creation.body)
    return stamps


def _annotation(obj: Json, name: str) -> str | None:
    found: str | None = (obj["metadata"].get("annotations") or {}).get(name)
    return found


def _checked(found: Json, stamp: str, stamps: Mapping[str, str]) -> Json:
    """Return an object that was created by the same request, by one of its stamps.

    Raises
    ------
    Refusal
        409 if it was another request.
    """
    if _annotation(found, stamp) == stamps[stamp]:
        return found
    message = "The Idempotency-Key was used for another body. Use a new key for a new request."
    raise Refusal(HTTPStatus.CONFLICT, message)


def missing() -> Refusal:
    """Return the refusal of what names no object."""
    return Refusal(HTTPStatus.NOT_FOUND, "There is no such object in this project.")


def _overtaken() -> Refusal:
    message = "Other clients change the object all the time. Read it and try again."
    return Refusal(HTTPStatus.CONFLICT, message, retry_after=1)


def _stamped(patch: Json, caller: Caller, found: CustomResource) -> Json:
    metadata = patch.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION_REQUESTED_BY: caller.identity.user}
    version = {"resourceVersion": found.metadata.resource_version, "uid": found.uid}
    return {**patch, "metadata": {**metadata, **version, "annotations": annotations}}


def _field_of(path: str, fields: Mapping[str, str]) -> str:
    """Return the name in the body of the field at a path of the object."""
    field = path.removeprefix("spec").lstrip(".")
    return fields.get(field, field)
