"""What kubectl shows of pull requests: lists, tables, single ones, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from codecourier.apiserver.tables import Item, is_selected
from codecourier.kinds.api_resources import RUNS
from codecourier.kube.api import Json
from tests.support.doors import OPS, Doors, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
SPEC = {"workflowRef": {"name": "build"}, "prompt": "x"}
LIST = f"{OPS}/pullrequests"


async def make_run(doors: Doors, name: str, number: int | None) -> None:
    """Create a Run, with a pull request where it has a number."""
    api = doors.cluster.api
    made = await api.create(RUNS, {"metadata": {"name": name, "namespace": "shop"}, "spec": SPEC})
    url = f"https://h/o/n/pull/{number}"
    pull = {"phase": "Created", "number": number, "url": url, "state": "Open"} if number else None
    await api.replace_status(RUNS, {**made, "status": {"phase": "Running"} | ({"pullRequest": pull} if pull else {})})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    async with running(tmp_path_factory.mktemp("doors")) as found:
        for number in (1, 2, 3):
            await make_run(found, f"run-{number}", number)
        await make_run(found, "bare", None)
        while len((await found.vouched("GET", LIST)).body["items"]) != 3:
            pass
        yield found


async def test_a_list_has_what_the_rest_api_shows(doors: Doors) -> None:
    body = (await doors.vouched("GET", LIST)).body
    assert (body["kind"], body["apiVersion"]) == ("PullRequestList", "ops.codecourier.dev/v1")
    assert body["metadata"]["resourceVersion"]
    listed = (await doors.vouched("GET", f"{OPS}/api/v1/pull-requests")).body["data"]
    assert [item["status"] for item in body["items"]] == listed
    assert {item["metadata"]["name"] for item in body["items"]} == {"run-1", "run-2", "run-3"}
    one = (await doors.vouched("GET", f"{LIST}/run-2")).body
    assert one == next(item for item in body["items"] if item["metadata"]["name"] == "run-2")
    assert (one["kind"], one["status"]["prNumber"]) == ("PullRequest", 2)


async def test_a_project_without_any_has_an_empty_list(doors: Doors) -> None:
    other = OPS.replace("shop", "other")
    assert (await doors.vouched("GET", f"{other}/pullrequests")).body["items"] == []
    assert (await doors.vouched("GET", f"{other}/pullrequests", Accept=TABLE)).body["rows"] == []


@pytest.mark.parametrize("include", ["", "None", "Metadata", "Object"])
async def test_a_table_has_the_objects_that_were_asked_for(doors: Doors, include: str) -> None:
    answer = await doors.vouched("GET", f"{LIST}?includeObject={include}", Accept=f"{TABLE},application/json")
    assert answer.headers["Content-Type"] == TABLE
    table = answer.body
    assert [column["name"] for column in table["columnDefinitions"][:3]] == ["Name", "Number", "Status"]
    assert all(len(row["cells"]) == len(table["columnDefinitions"]) for row in table["rows"])
    kinds = {"None" if row["object"] is None else row["object"]["kind"] for row in table["rows"]}
    expected = {"": "PartialObjectMetadata", "None": "None", "Metadata": "PartialObjectMetadata"}
    assert kinds == {expected.get(include, "PullRequest")}


async def test_a_single_one_is_a_table_too(doors: Doors) -> None:
    table = (await doors.vouched("GET", f"{LIST}/run-1", Accept=TABLE)).body
    assert [row["cells"][:3] for row in table["rows"]] == [["run-1", 1, "created"]]


async def test_pages_hold_each_once(doors: Doors) -> None:
    names: list[str] = []
    query = "?limit=2"
    while query:
        body = (await doors.vouched("GET", LIST + query)).body
        names += [item["metadata"]["name"] for item in body["items"]]
        following = body["metadata"].get("continue")
        query = f"?limit=2&continue={following}" if following else ""
    assert sorted(names) == ["run-1", "run-2", "run-3"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("metadata.name=run-1", ["run-1"]),
        ("metadata.name==run-1", ["run-1"]),
        ("metadata.name!=run-1,metadata.namespace=shop", ["run-2", "run-3"]),
        ("metadata.namespace!=shop", []),
    ],
)
async def test_a_field_selects(doors: Doors, selector: str, names: list[str]) -> None:
    body = (await doors.vouched("GET", f"{LIST}?fieldSelector={selector}")).body
    assert sorted(item["metadata"]["name"] for item in body["items"]) == names


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", f"{LIST}?watch=true", 400, "BadRequest"),
        ("GET", f"{LIST}?labelSelector=a%3Db", 400, "BadRequest"),
        ("GET", f"{LIST}?fieldSelector=status.x%3D1", 400, "BadRequest"),
        ("GET", f"{LIST}?limit=-1", 400, "BadRequest"),
        ("GET", f"{LIST}?limit=1&continue=x", 400, "BadRequest"),
        ("GET", f"{LIST}?includeObject=All", 200, None),
        ("GET", f"{LIST}/none", 404, "NotFound"),
        ("GET", f"{LIST}/bare", 404, "NotFound"),
        ("DELETE", LIST, 405, "MethodNotAllowed"),
        ("DELETE", f"{LIST}/run-1", 405, "MethodNotAllowed"),
        ("POST", LIST, 405, "MethodNotAllowed"),
    ],
)
async def test_what_is_refused(doors: Doors, method: str, path: str, status: int, reason: str | None) -> None:
    answer = await doors.vouched(method, path)
    assert (answer.status, answer.body.get("reason")) == (status, reason)


async def test_who_may_see_them(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Json] = []

    def may(spec: Json) -> bool:
        asked.append(spec["resourceAttributes"])
        return False

    monkeypatch.setattr(doors.cluster, "may", may)
    paths = [LIST, f"{LIST}/run-1"]
    assert [(await doors.vouched("GET", path, X_Remote_User="nobody")).status for path in paths] == [403, 403]
    common: Any = {"namespace": "shop", "group": "ops.codecourier.dev", "resource": "pullrequests"}
    assert asked == [{**common, "verb": "list"}, {**common, "verb": "get", "name": "run-1"}]
    assert (await doors.ask("GET", LIST, X_Remote_User="alice")).status == 401
    assert (await doors.vouched("GET", LIST, Accept="text/html", X_Remote_User="nobody")).status == 403


async def test_a_selector_of_another_field_is_refused() -> None:
    with pytest.raises(ValueError, match=r"metadata\.name"):
        is_selected(Item("a", {}), "shop", "spec.x=1")
