"""The forge's GraphQL API: what it answers to documents of its schema, and to others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge

REFS = """
# A comment.
query($o: String!, $n: String!, $first: Int = 1, $after: String) {
  found: repository(owner: $o, name: $n) {
    refs(refPrefix: "refs/heads/", first: $first, after: $after) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes { name target { ... on Commit { oid } ... on Tag { name } } }
    }
  }
}
"""


def test_refs_come_in_pages(repository: ForgeRepository) -> None:
    repository.branch("topic")
    first = repository.graph(REFS, first=1).body["data"]["found"]["refs"]
    assert (first["totalCount"], [node["name"] for node in first["nodes"]]) == (2, ["main"])
    assert first["nodes"][0]["target"] == {"oid": repository.sha}
    second = repository.graph(REFS, first=1, after=first["pageInfo"]["endCursor"]).body["data"]["found"]["refs"]
    assert [node["name"] for node in second["nodes"]] == ["topic"]
    assert second["pageInfo"]["hasNextPage"] is False


UPDATE = """mutation($id: ID!, $updates: [RefUpdate!]!) {
  updateRefs(input: {repositoryId: $id, refUpdates: $updates, clientMutationId: "x"}) { clientMutationId }
}"""


def test_a_ref_is_deleted_only_where_it_has_to_be(repository: ForgeRepository) -> None:
    sha = repository.branch("topic")
    query = '{ repository(owner: $o, name: $n) { id ref(qualifiedName: "refs/heads/none") { id } } }'
    found = repository.graph(query).body["data"]["repository"]
    assert found["ref"] is None

    def delete(ref: str, before: str, token: str | None = None) -> Any:
        updates = [{"name": ref, "beforeOid": before, "afterOid": "0" * 40}]
        return repository.graph(UPDATE, token, id=found["id"], updates=updates).body

    for ref, before in (("refs/heads/topic", repository.sha), ("refs/heads/none", sha), ("refs/heads/main", sha)):
        assert delete(ref, before)["errors"][0]["type"] == "UNPROCESSABLE"
    assert delete("refs/heads/main", repository.sha)["errors"][0]["type"] == "UNPROCESSABLE"
    assert delete("refs/heads/topic", sha, repository.token({"contents": "read"}))["errors"][0]["type"] == "FORBIDDEN"
    assert repository.tip("refs/heads/topic") == sha
    assert delete("refs/heads/topic", sha) == {"data": {"updateRefs": {"clientMutationId": "x"}}}
    assert repository.tip("refs/heads/topic") is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ repository(owner: $o, name: $n) { stars } }", "undefinedField"),
        ("{ repository(owner: $o) { id } }", "argumentNotAccepted"),
        ('{ repository(owner: $o, name: $n) { refs(refPrefix: "refs/", first: 1) } }', "selectionMismatch"),
        ("query($x: Int!) { repository(owner: $o, name: $n) { id } }", "variableInvalid"),
        ("{ repository", "parseError"),
        ("subscription { x }", "parseError"),
        ("{ a } { b }", "parseError"),
        ("{ a(b: %) }", "parseError"),
    ],
)
def test_a_document_outside_the_schema_is_refused(repository: ForgeRepository, query: str, code: str) -> None:
    body = repository.graph(query).body
    assert body["errors"][0]["extensions"]["code"] == code
    assert "data" not in body


def test_what_a_token_may_not_see_is_not_there(repository: ForgeRepository) -> None:
    query = "{ repository(owner: $o, name: $n) { id } }"
    assert repository.graph(query, n="none").body["errors"][0]["type"] == "NOT_FOUND"
    assert repository.forge.request("POST", "/api/graphql", body={"query": query}).status == 401
    authorization = f"Bearer {repository.token()}"
    bodies: list[Any] = [b"x", [], {}]
    for body in bodies:
        answer = repository.forge.request("POST", "/api/graphql", authorization=authorization, body=body)
        assert "query attribute" in answer.body["errors"][0]["message"]
    bad = repository.graph(REFS, first=101).body
    assert bad["errors"][0]["type"] == "EXCESSIVE_PAGINATION"
    assert repository.graph(REFS, after="x").body["errors"][0]["type"] == "INVALID_CURSOR_ARGUMENTS"
