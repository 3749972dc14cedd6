"""What Kubernetes' clients read of the API group, and in which form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from codecourier.apiserver import discovery
from codecourier.apiserver.accept import JSON, Form, negotiate
from codecourier.apiserver.discovery import DISCOVERY, Offer
from codecourier.apiserver.refusal import Refusal

TABLE = Form((("as", "Table"), ("v", "v1"), ("g", "meta.k8s.io")))
OFFERS = (Offer("branches", "branch", "Branch"), Offer("pullrequests", "pullrequest", "PullRequest", ("pr",)))
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLES = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("Application/JSON; charset=utf-8", JSON),
        (V2, DISCOVERY),
        (f"application/json;as=APIGroupDiscoveryList;v=v2beta1;g=apidiscovery.k8s.io,{V2},*/*", DISCOVERY),
        (f"application/vnd.kubernetes.protobuf,{V2};q=0.5,application/json;q=0.4", DISCOVERY),
        (f"application/json,{V2}", JSON),
        (f"{V2};q=0.1,application/json;q=0.9", JSON),
        (f"{V2};q=0,application/json", JSON),
        ("application/cbor,application/json;q=0.9", JSON),
        (TABLES, TABLE),
        ('application/json; as="Table"; g=meta.k8s.io; v=v1', TABLE),
        ("text/html,*/*;q=x", JSON),
    ],
)
def test_the_first_form_that_a_client_accepts(accept: str, form: Form) -> None:
    assert negotiate(accept, [JSON, DISCOVERY, TABLE]) == form


@pytest.mark.parametrize(
    "accept", ["text/html", "application/yaml", "application/json;as=Table;v=v2;g=x", "*/*;q=0", ";"]
)
def test_a_client_that_accepts_none_is_refused(accept: str) -> None:
    with pytest.raises(Refusal) as refused:
        negotiate(accept, [JSON])
    assert refused.value.status_code == 406


def test_the_content_type_is_the_one_that_clients_compare() -> None:
    assert (DISCOVERY.content_type, JSON.content_type) == (V2, "application/json")


def test_both_forms_offer_to_get_and_list_and_nothing_else() -> None:
    flat = discovery.api_resource_list(OFFERS)["resources"]
    (version,) = discovery.group_discovery_list(OFFERS)["items"][0]["versions"]
    assert [resource["name"] for resource in flat] == [resource["resource"] for resource in version["resources"]]
    for old, new in zip(flat, version["resources"], strict=True):
        assert old["verbs"] == new["verbs"] == ["get", "list"]
        assert new["responseKind"] == {"group": "ops.codecourier.dev", "version": "v1", "kind": old["kind"]}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield each object in a document."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(part)


@pytest.mark.parametrize("build", [discovery.openapi_v2, discovery.openapi_v3])
def test_no_document_has_a_boolean_where_a_schema_belongs(build: Any) -> None:
    document = build(OFFERS)
    found = list(nodes(document))
    assert all(not isinstance(node.get("additionalProperties"), bool) for node in found)
    schemas = document.get("definitions") or document["components"]["schemas"]
    references = {str(node["$ref"]).rpartition("/")[2] for node in found if "$ref" in node}
    assert references == set(schemas)
    assert all(path.startswith("/apis/ops.codecourier.dev/v1/") for path in document["paths"])


def test_a_document_changes_its_address_with_its_content() -> None:
    (entry,) = discovery.openapi_v3_index("abc")["paths"].items()
    assert entry == (
        "apis/ops.codecourier.dev/v1",
        {"serverRelativeURL": "/openapi/v3/apis/ops.codecourier.dev/v1?hash=abc"},
    )
