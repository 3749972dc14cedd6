"""Pull requests through GraphQL: many at once, with their checks, and what that costs."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.local.forge.graph_language import parse
from codecourier.local.forge.graphql import cost_of
from codecourier.local.forge.merge_control import ForgeRate
from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge

MANY = """
query($o: String!, $n: String!, $first: Int = 100, $after: String, $states: [PullRequestState!]) {
  rateLimit { cost limit remaining used resetAt }
  repository(owner: $o, name: $n) {
    pullRequests(first: $first, after: $after, states: $states, orderBy: {field: UPDATED_AT, direction: DESC}) {
      totalCount pageInfo { hasNextPage endCursor } nodes { ...Facts }
    }
  }
}
fragment Facts on PullRequest {
  __typename id number title state isDraft merged mergedAt headRefName headRefOid baseRefName baseRefOid mergeable
  mergeStateStatus reviewDecision author { login } mergedBy { login }
  mergeCommit { oid tree { oid } parents(first: 2) { nodes { oid } } }
  statusCheckRollup { state contexts(first: 50) { totalCount nodes {
    __typename
    ... on CheckRun { name status conclusion checkSuite { app { slug } } }
    ... on StatusContext { context state }
  } } }
}
"""


@pytest.fixture
def token(repository: ForgeRepository) -> str:
    """Return a token that may read all that is asked for."""
    names = ("contents", "pull_requests", "checks", "statuses")
    granted: Any = dict.fromkeys(names, "read")
    return repository.app_token(repository.control.install_app(repository.owner, granted))


def opened(repository: ForgeRepository, *names: str) -> list[str]:
    """Open pull requests of new branches; returns their heads."""
    heads = [repository.branch(name) for name in names]
    for name in names:
        repository.github().create_pull(base="main", head=name, title=f"Title of {name}", draft=name == "draft")
    return heads


def facts(repository: ForgeRepository, token: str, **variables: Any) -> dict[int, dict[str, Any]]:
    body = repository.graph(MANY, token, **variables).body
    assert "errors" not in body, body["errors"]
    return {node["number"]: node for node in body["data"]["repository"]["pullRequests"]["nodes"]}


def test_one_query_reads_many(repository: ForgeRepository, token: str) -> None:
    heads = opened(repository, "one", "two", "draft")
    merged = repository.github().get_pull(1).merge(sha=heads[0]).sha
    repository.control.set_check(repository.full_name, heads[1], conclusion="failure")
    repository.control.set_status(repository.full_name, heads[1], "success", context="lint")
    found = facts(repository, token)
    first = found[1]
    commit = repository.github().get_git_commit(merged)
    assert first["mergeCommit"] == {
        "oid": merged,
        "tree": {"oid": commit.tree.sha},
        "parents": {"nodes": [{"oid": repository.sha}, {"oid": heads[0]}]},
    }
    assert (first["state"], first["merged"], first["mergedBy"]) == ("MERGED", True, {"login": "alice"})
    assert first["mergeStateStatus"] == "UNKNOWN"
    second = found[2]
    assert (second["state"], second["headRefOid"], second["baseRefOid"]) == ("OPEN", heads[1], merged)
    assert (second["mergeable"], second["mergeStateStatus"], second["title"]) == (
        "MERGEABLE", "UNSTABLE", "Title of two",
    )  # fmt: skip
    assert second["statusCheckRollup"]["state"] == "FAILURE"
    assert second["statusCheckRollup"]["contexts"]["nodes"] == [
        {
            "__typename": "CheckRun",
            "name": "build",
            "status": "COMPLETED",
            "conclusion": "FAILURE",
            "checkSuite": {"app": {"slug": "github-actions"}},
        },
        {"__typename": "StatusContext", "context": "lint", "state": "SUCCESS"},
    ]
    assert (found[3]["isDraft"], found[3]["mergeStateStatus"], found[3]["statusCheckRollup"]) == (True, "DRAFT", None)
    assert set(facts(repository, token, states=["OPEN"])) == {2, 3}


def test_pages_follow_each_other(repository: ForgeRepository, token: str) -> None:
    opened(repository, "one", "two", "three")
    seen: list[int] = []
    after = None
    for _ in range(3):
        page = repository.graph(MANY, token, first=1, after=after).body["data"]["repository"]["pullRequests"]
        seen += [node["number"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert (sorted(seen), page["pageInfo"]["hasNextPage"], page["totalCount"]) == ([1, 2, 3], False, 3)


def test_personal_token_sees_the_state_but_no_check_run(repository: ForgeRepository) -> None:
    (head,) = opened(repository, "one")
    repository.control.set_check(repository.full_name, head)
    repository.control.set_status(repository.full_name, head, "success", context="lint")
    body = repository.graph(MANY, repository.token()).body
    (node,) = body["data"]["repository"]["pullRequests"]["nodes"]
    assert (node["headRefOid"], node["statusCheckRollup"]["state"]) == (head, "PENDING")
    assert [one and one["__typename"] for one in node["statusCheckRollup"]["contexts"]["nodes"]] == [
        None,
        "StatusContext",
    ]
    (error,) = body["errors"]
    assert error["type"] == "FORBIDDEN"
    place = ["repository", "pullRequests", "nodes", 0, "statusCheckRollup", "contexts", "nodes", 0]
    assert error["path"] == place


def test_some_are_asked_for_by_number_and_by_id(repository: ForgeRepository, token: str) -> None:
    heads = opened(repository, "one", "two")
    query = """{ repository(owner: $o, name: $n) {
      a: pullRequest(number: 1) { id headRefOid } b: pullRequest(number: 9) { id } } }"""
    body = repository.graph(query, token).body
    assert (body["data"]["repository"]["a"]["headRefOid"], body["data"]["repository"]["b"]) == (heads[0], None)
    assert [error["path"] for error in body["errors"]] == [["repository", "b"]]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on PullRequest { number } } }"
    body = repository.graph(query, token, ids=[body["data"]["repository"]["a"]["id"], "none"]).body
    assert (body["data"]["nodes"], body["errors"][0]["type"]) == ([{"number": 1}, None], "NOT_FOUND")


def test_last_commit_has_the_checks(repository: ForgeRepository, token: str) -> None:
    (head,) = opened(repository, "one")
    repository.control.set_check(repository.full_name, head, conclusion="success")
    query = """{ repository(owner: $o, name: $n) { pullRequest(number: 1) { commits(last: 1) { totalCount nodes {
      commit { oid statusCheckRollup { state } } } } } } }"""
    found = repository.graph(query, token).body["data"]["repository"]["pullRequest"]["commits"]
    assert found == {"totalCount": 1, "nodes": [{"commit": {"oid": head, "statusCheckRollup": {"state": "SUCCESS"}}}]}


@pytest.mark.parametrize(("first", "cost"), [(1, 1), (50, 1), (100, 2)])
def test_many_pull_requests_cost_a_point_or_two(first: int, cost: int) -> None:
    assert cost_of(parse(MANY), {"first": first}) == cost


def test_connections_within_connections_cost_more() -> None:
    inner = "contexts(first: 10) { nodes { id more(last: 1) { totalCount } } }"
    document = parse(f"{{ a(first: 100) {{ nodes {{ rollup {{ {inner} }} }} }} }}")
    assert cost_of(document, {}) == round((1 + 100 + 1000) / 100)


def test_budget_is_that_of_the_installation(repository: ForgeRepository, token: str) -> None:
    opened(repository, "one")
    other = repository.app_token(repository.control.install_app(repository.owner, {"pull_requests": "read"}))

    def spent(resource: str) -> ForgeRate:
        rates = {(rate.installation_id, rate.resource): rate for rate in repository.control.rates()}
        (number,) = {rate.installation_id for rate in rates.values() if rate.installation_id == installation}
        return rates[number, resource]

    installation = repository.control.install_app(repository.owner, {"pull_requests": "read"})
    answer = repository.api("GET", "/pulls", token)
    before = spent("core")
    again = repository.api("GET", "/pulls", other, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status, again.headers["etag"]) == (304, answer.headers["etag"])
    assert (spent("core").used, spent("core").unchanged) == (before.used, before.unchanged + 1)
    repository.graph(MANY, token)
    repository.graph(MANY, other)
    assert spent("graphql").used == 4
    assert repository.api("GET", "/pulls", other).headers["x-ratelimit-used"] == str(before.used + 1)


@pytest.mark.parametrize(
    "text", ["{ ...Facts }", "query { a } fragment F on { b }", "{ a } fragment F on T { b } { c }"]
)
def test_broken_fragments_are_refused(repository: ForgeRepository, text: str) -> None:
    assert "data" not in repository.graph(text).body
