"""Both doors lead to the same operations; only kube-apiserver is believed when it names a user."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from codecourier.apiserver.keys import create_key
from codecourier.apiserver.route import OF_THE_TYPE
from codecourier.errors import SettingsError
from codecourier.kube.api import CONFIG_MAPS
from codecourier.local.certificates import create_authority
from tests.support.doors import CONFIG, OPS, Doors, config_data, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    async with running(tmp_path_factory.mktemp("doors")) as found:
        yield found


async def make_key(doors: Doors, owner: str) -> str:
    """Return the header of a new key once it is known."""
    key = await create_key(doors.cluster.api, "shop", owner, None, 10_000)
    header = f"Bearer {key.key}"
    while (await doors.ask("GET", "/api/v1/recurring-tasks", Authorization=header)).status == 401:
        pass
    return header


async def test_the_aggregated_door_serves_the_operations_for_whom_kube_apiserver_names(doors: Doors) -> None:
    answer = await doors.vouched(
        "GET",
        f"{OPS}/api/v1/recurring-tasks",
        X_Remote_Group=["dev", "système"],
        X_Remote_Uid="u-1",
        **{"X_Remote_Extra_example.com%2Fscope": ["a", "b"]},
    )
    assert (answer.status, answer.body) == (200, {"data": [], "nextCursor": None})
    assert doors.cluster.asked[-1] == (
        {
            "user": "alice",
            "groups": ["dev", "système", "system:authenticated"],
            "uid": "u-1",
            "extra": {"example.com/scope": ["a", "b"]},
            "resourceAttributes": {
                "namespace": "shop",
                "group": "codecourier.dev",
                "resource": "recurringtasks",
                "verb": "list",
            },
        }
    )


async def test_nobody_else_is_believed(doors: Doors) -> None:
    path, cluster = f"{OPS}/api/v1/recurring-tasks", doors.cluster
    forged: Any = {"X_Remote_User": "system:admin", "X_Remote_Group": "system:masters"}
    bearer = await make_key(doors, "ci")
    before = len(cluster.asked)
    answers = [
        await doors.ask("GET", path, None, **forged),
        await doors.ask("GET", path, None, **forged, Authorization=bearer),
        await doors.ask("GET", path, None, Authorization=bearer),
        await doors.ask("GET", path, cluster.proxy.issue("someone-else"), **forged),
        await doors.ask("GET", path, cluster.proxy.issue("front-proxy-client"), X_Remote_Group="system:masters"),
        await doors.ask("GET", path, cluster.proxy.issue("front-proxy-client"), X_Remote_User=""),
        await doors.ask("GET", "/api/v1/recurring-tasks", cluster.proxy.issue("front-proxy-client"), **forged),
    ]
    assert [answer.status for answer in answers] == [401] * 7
    assert [answer.body.get("reason") for answer in answers] == ["Unauthorized"] * 6 + [None]
    # Headers that come beside a key do not count.
    assert (await doors.ask("GET", "/api/v1/sprint-chains", Authorization=bearer, **forged)).status == 200
    assert [spec["user"] for spec in cluster.asked[before:]] == ["codecourier:shop:ci"]


async def test_a_token_of_the_cluster_is_its_users(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    user = {"username": "bob", "uid": "u-2", "groups": ["dev"], "extra": {"scopes": ["x"]}}
    answer = {"authenticated": True, "user": user, "audiences": ["codecourier"]}
    monkeypatch.setattr(doors.cluster, "whose", lambda spec: answer if spec["token"] == "t-1" else {})
    path = "/api/v1/recurring-tasks"
    shown = await doors.ask("GET", path, Authorization="Bearer t-1", X_CodeCourier_Project="shop")
    assert shown.status == 200
    assert doors.cluster.reviewed[-1] == {"token": "t-1", "audiences": ["codecourier"]}
    review = doors.cluster.asked[-1]
    assert {name: review[name] for name in ("user", "uid", "groups", "extra")} == {
        "user": "bob",
        "uid": "u-2",
        "groups": ["dev"],
        "extra": {"scopes": ["x"]},
    }
    assert review["resourceAttributes"]["namespace"] == "shop"
    for project in ("", "../x", "Shop", "a" * 64):
        refused = await doors.ask("GET", path, Authorization="Bearer t-1", X_CodeCourier_Project=project)
        fields = [detail["field"] for detail in refused.body["error"]["details"]]
        assert (refused.status, fields) == (400, ["X-CodeCourier-Project"])
    unknown = await doors.ask("GET", path, Authorization="Bearer t-2", X_CodeCourier_Project="shop")
    nothing = await doors.ask("GET", path)
    assert (unknown.status, unknown.body) == (401, nothing.body)


async def test_what_should_only_be_tried_out_is_refused_at_both_doors(doors: Doors) -> None:
    bearer = await make_key(doors, "dry")
    paths = (await doors.ask("GET", "/api/v1/openapi.json")).body["paths"]
    tried = 0
    for template, methods in paths.items():
        path = re.sub(r"\{type\}", "run", template)
        path = re.sub(r"\{\w+\}", "none", path)
        for method, operation in methods.items():
            if method == "get":
                continue
            for sent, body in (("?dryRun=All", None), ("?dryRun", None), ("", {"dryRun": ["All"]})):
                direct = await doors.ask(method.upper(), path + sent, None, body, Authorization=bearer)
                aggregated = await doors.vouched(method.upper(), OPS + path + sent, body)
                assert (direct.status, aggregated.status) == (400, 400), (method, path, sent, operation)
                assert "dryRun" in [detail["field"] for detail in direct.body["error"]["details"]], (method, path, sent)
                assert "dryRun" in [cause["field"] for cause in aggregated.body["details"]["causes"]]
                tried += 1
    assert tried >= 12


async def test_a_certificate_of_another_authority_ends_the_connection(doors: Doors) -> None:
    stranger = create_authority("front-proxy-ca").issue("front-proxy-client")
    for pair in (stranger, doors.cluster.clients.issue("front-proxy-client")):
        with pytest.raises(aiohttp.ClientError):
            await doors.ask("GET", f"{OPS}/api/v1/recurring-tasks", pair, X_Remote_User="alice")


async def test_every_operation_is_behind_both_doors_and_refuses_alike(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors.cluster, "may", lambda _: False)
    bearer = await make_key(doors, "nobody")
    paths = (await doors.ask("GET", "/api/v1/openapi.json")).body["paths"]
    assert len(paths) >= 5
    for template, methods in paths.items():
        path = re.sub(r"\{\w+\}", "none", template.replace("{type}", "run"))
        for method, operation in methods.items():
            # Where the right depends on the type, the body that names it is read first.
            is_of_a_type = operation["x-kubernetes-right"]["resource"] == OF_THE_TYPE and "requestBody" in operation
            body = {"entityType": "run", "entityId": "none"} if is_of_a_type else None
            direct = await doors.ask(method, path, None, body, Authorization=bearer)
            aggregated = await doors.vouched(method, OPS + path, body, X_Remote_User="nobody")
            assert (direct.status, aggregated.status, aggregated.body["code"]) == (403, 403, 403), (method, path)
            assert aggregated.body["message"] == direct.body["error"]["message"].replace(
                "codecourier:shop:nobody", "nobody"
            )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/recurring-tasks/a%2Fb", 404),
        ("GET", "/api/v1/recurring-tasks/%00", 404),
        ("GET", "/api/v1/recurring-tasks/%0A", 404),
        ("GET", "/api/v1/../v1/recurring-tasks", 404),
        ("GET", "/api/v1/recurring-tasks/../x", 404),
        ("GET", "/api/v1//recurring-tasks", 404),
        ("GET", "/api/v1/recurring-tasks//", 404),
        ("GET", "/api/v1/recurring-tasks/sc_x", 400),
        ("GET", "/api/v1/recurring-tasks?limit=0", 400),
        ("GET", "/api/v1/recurring-tasks?limit=0&surprise=1", 400),
        ("PATCH", "/api/v1/recurring-tasks", 405),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1", 404),
    ],
)
async def test_odd_paths_get_the_same_answer_at_both_doors(doors: Doors, method: str, path: str, status: int) -> None:
    bearer = await make_key(doors, f"odd{secrets.token_hex(4)}")
    direct = await doors.ask(method, path, Authorization=bearer)
    aggregated = await doors.vouched(method, OPS + path)
    assert (direct.status, aggregated.status) == (status, status)
    assert aggregated.body["kind"] == "Status"
    assert aggregated.body["code"] == status
    error = direct.body["error"]
    assert aggregated.body["message"].startswith(error["message"])
    causes = [(cause["field"], cause["message"]) for cause in aggregated.body["details"]["causes"]]
    assert causes == [(detail["field"], detail["message"]) for detail in error["details"]]
    assert all(message in aggregated.body["message"] for _, message in causes)


@pytest.mark.parametrize(
    "path",
    [
        "/apis",
        "/apis/ops.codecourier.dev",
        "/apis/ops.codecourier.dev/v1",
        "/version",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/apis/ops.codecourier.dev/v1?hash=x",
    ],
)
async def test_documents_are_for_users_of_the_cluster(doors: Doors, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = await doors.vouched("GET", path)
    assert answer.status == 200
    review = doors.cluster.asked[-1]
    assert review["nonResourceAttributes"] == {"path": path.partition("?")[0], "verb": "get"}
    again = await doors.vouched("GET", path, If_None_Match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert (await doors.vouched("GET", path, If_None_Match='"other"')).status == 200
    refused = [
        await doors.ask("GET", path, X_Remote_User="alice"),
        await doors.vouched("GET", path, Accept="text/html"),
        await doors.vouched("DELETE", path),
    ]
    monkeypatch.setattr(doors.cluster, "may", lambda _: False)
    refused.append(await doors.vouched("GET", path, X_Remote_User="nobody"))
    assert [answer.status for answer in refused] == [401, 406, 405, 403]
    reasons = [answer.body["reason"] for answer in refused]
    assert reasons == ["Unauthorized", "NotAcceptable", "MethodNotAllowed", "Forbidden"]


async def test_discovery_is_given_in_the_form_that_was_asked_for(doors: Doors) -> None:
    form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    answer = await doors.vouched("GET", "/apis", Accept=f"{form},application/json;q=0.9")
    assert (answer.headers["Content-Type"], answer.body["kind"]) == (form, "APIGroupDiscoveryList")
    plain = await doors.vouched("GET", "/apis", Accept="application/json")
    assert (plain.headers["Content-Type"], plain.body["kind"]) == ("application/json", "APIGroupList")
    assert plain.headers["ETag"] != answer.headers["ETag"]


async def test_probes_ask_for_nothing(doors: Doors) -> None:
    assert [(await doors.ask("GET", path)).status for path in ("/healthz", "/livez", "/readyz")] == [200] * 3


async def test_another_authority_counts_without_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as doors:
        await change_authority(doors)


async def change_authority(doors: Doors) -> None:
    cluster, path = doors.cluster, f"{OPS}/api/v1/recurring-tasks"
    assert (await doors.vouched("GET", path)).status == 200
    cluster.proxy = create_authority("front-proxy-ca-2")
    patch = {"data": config_data(cluster)}
    await cluster.api.patch(CONFIG_MAPS, "kube-system", CONFIG, patch)

    async def status() -> int:
        try:
            return (await doors.vouched("GET", path)).status
        except aiohttp.ClientError:
            return 0

    while await status() != 200:
        pass
    # Once the cluster has no front proxy, nobody is believed.
    await cluster.api.delete(CONFIG_MAPS, "kube-system", CONFIG)
    while await status() != 401:
        pass


async def test_any_name_of_an_authority_for_all_clients_is_refused(tmp_path: Path) -> None:
    authority = create_authority("ca").pair.certificate.decode()
    config = {"client_ca_file": authority, "requestheader_client_ca_file": authority}
    with pytest.raises(SettingsError, match="requestheader-allowed-names"):
        async with running(tmp_path, **config, requestheader_allowed_names="[]"):
            pass
    async with running(tmp_path, **config):
        pass
