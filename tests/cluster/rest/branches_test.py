"""Branches over REST, on a real API server and the local forge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from codecourier.core.shared.naming import LABEL_REPOSITORY_CREDENTIAL
from codecourier.kube.api import SECRETS
from tests.support.forge import ForgeProcess, ForgeRepository, new_repository
from tests.support.rest import PROJECT, Rest, known, read_lines

pytestmark = [pytest.mark.cluster, pytest.mark.both_doors, pytest.mark.timeout(120)]

DATA = Path(__file__).parents[2] / "data" / "rest"
NAME = "rest-branches"


@pytest.fixture(scope="module")
def place(rest: Rest, forge: ForgeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeRepository]:
    """Make a project whose repository is on the local forge."""
    repository = new_repository(forge, tmp_path_factory.mktemp("clones"))
    rest.project(NAME, f"{forge.address.base_url}/{repository.full_name}")
    metadata = {"name": "forge", "labels": {LABEL_REPOSITORY_CREDENTIAL: "true"}}
    token = repository.token({"contents": "write", "pull_requests": "read"})
    secret = {"metadata": metadata, "stringData": {"token": token}}
    rest.admin.fetch("POST", SECRETS.path(NAME), orjson.dumps(secret))
    yield repository
    rest.admin.fetch("DELETE", f"/api/v1/namespaces/{NAME}")
    assert token not in rest.log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def admin(rest: Rest, place: ForgeRepository) -> str:
    """Return the key of an admin of the project."""
    assert place.id
    rest.bind(NAME, "admin", "admin")
    return known(rest, rest.bare_key(NAME, "admin").key)


def test_the_lines_of_the_contract_about_branches(rest: Rest, place: ForgeRepository, admin: str) -> None:
    listing, delete = read_lines(DATA / "branches.sh")
    sha = place.branch("feature/dark-mode")
    found = {branch["name"]: branch for branch in rest.run_line(listing, admin, {}).data}
    assert found.keys() == {"main", "feature/dark-mode"}
    assert (found["feature/dark-mode"]["sha"], found["feature/dark-mode"]["isProtected"]) == (sha, False)
    assert found["main"]["isDefault"] is True
    for _ in range(2):
        assert rest.run_line(delete, admin, {}).data == {"name": "feature/dark-mode", "isDeleted": True}
        assert place.tip("refs/heads/feature/dark-mode") is None
        assert rest.run_line(delete, admin, {}).status == 404
        place.branch("feature/dark-mode")
    assert rest.ask("DELETE", "/branches/feature/dark-mode", admin).status == 200
    assert place.tip("refs/heads/feature/dark-mode") is None


def test_a_name_is_decoded_once(rest: Rest, place: ForgeRepository, admin: str) -> None:
    for name in ("a%2Fb", "ü/枝", "\ufffd"):
        place.branch(name)
    # Bytes that are no UTF-8 are no name of the branch whose name is the sign for them.
    for path in ("%FF", "%EF%BF%BD", "a%2Fb", "a/b", "%2e%2e/main", "a%00b", "a%0Ab", "%2F", "main%2F", "a%2F%2Fb"):
        assert rest.ask("DELETE", f"/branches/{path}", admin).status == 404, path
    assert rest.ask("DELETE", "/branches/a%252Fb", admin).data["name"] == "a%2Fb"
    assert rest.ask("DELETE", "/branches/%C3%BC%2F%E6%9E%9D", admin).data["name"] == "ü/枝"
    assert [branch["name"] for branch in rest.ask("GET", "/branches", admin).data] == ["main", "\ufffd"]


def test_what_a_branch_is_refused_with(rest: Rest, place: ForgeRepository, admin: str) -> None:
    assert rest.ask("DELETE", "/branches/main", admin).status == 409
    assert rest.ask("DELETE", "/branches/x?surprise=1", admin).fields.keys() == {"surprise"}
    assert rest.ask("GET", "/branches?limit=0&surprise=1", admin).fields.keys() == {"limit", "surprise"}
    place.control.answer_with(502, method="GET|POST", path="^/api/", times=2)
    for method, path in (("GET", "/branches"), ("DELETE", "/branches/x")):
        answer = rest.ask(method, path, admin)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    # The host of the other projects is none that this server may ask.
    rest.bind(PROJECT, "viewer", "onlooker")
    onlooker = known(rest, rest.bare_key(PROJECT, "onlooker").key)
    refused = rest.ask("GET", "/branches", onlooker)
    assert (refused.status, refused.code) == (409, "conflict")
    assert rest.ask("DELETE", "/branches/x", onlooker).status == 403
