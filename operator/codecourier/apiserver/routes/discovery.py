"""What Kubernetes' clients read before they ask for anything else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from codecourier.apiserver import discovery
from codecourier.apiserver.accept import JSON, Form, negotiate
from codecourier.apiserver.discovery import DISCOVERY, GROUP_VERSION, OPENAPI_V3, Offer
from codecourier.apiserver.doors import OPS_GROUP
from codecourier.apiserver.route import Door

__all__ = ["add_discovery"]

_Forms = Mapping[Form, Callable[[], dict[str, Any]]]


def add_discovery(app: FastAPI, door: Door, offers: Sequence[Offer]) -> None:
    """Add the documents about an API group with these kinds; each needs the right to read its path."""
    hash_ = hashlib.sha256(orjson.dumps(discovery.openapi_v3(offers))).hexdigest()
    documents: Mapping[str, _Forms] = {
        "/apis": {JSON: discovery.api_group_list, DISCOVERY: lambda: discovery.group_discovery_list(offers)},
        f"/apis/{OPS_GROUP}": {JSON: discovery.api_group},
        f"/apis/{GROUP_VERSION}": {JSON: lambda: discovery.api_resource_list(offers)},
        "/version": {JSON: discovery.version_info},
        "/openapi/v2": {JSON: lambda: discovery.openapi_v2(offers)},
        "/openapi/v3": {JSON: lambda: discovery.openapi_v3_index(hash_)},
        OPENAPI_V3: {JSON: lambda: discovery.openapi_v3(offers)},
    }
    for path, forms in documents.items():
        app.add_api_route(
            path, _shower(door, {form: orjson.dumps(build()) for form, build in forms.items()}), include_in_schema=False
        )


def _shower(door: Door, forms: Mapping[Form, bytes]) -> Callable[[Request], Any]:
    async def show(request: Request) -> Response:
        await door.check_path(request)
        form = negotiate(request.headers.get("accept", ""), list(forms))
        content = forms[form]
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "Vary": "Accept"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers={**headers, "Content-Type": form.content_type})

    return show
