"""Each relation reads what was made for its reader, and a change of what it reads wakes that reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from codecourier.cache.source import CachedKind, Source, raw
from codecourier.cache.store import Store
from codecourier.core.origin import AbsentOrigin
from codecourier.kinds.registry import REGISTRY
from codecourier.kinds.relation import UNFINISHED, Path, Relation, View, label_of
from codecourier.kinds.relations import (
    all_in_namespace,
    everywhere,
    in_project,
    marked,
    named,
    named_by,
    names_marked,
    origin_of,
    own_namespace,
    through,
)
from codecourier.kinds.sources import RUN_SOURCE, SANDBOX_SOURCE
from codecourier.kube.api import CONFIG_MAPS, NAMESPACES, PODS, Json, Resource
from codecourier.resources.run import Origin, Run
from codecourier.resources.sandbox import Sandbox, SandboxRun, SandboxSpec
from tests.support.views import PODS as POD_SETTINGS
from tests.support.worlds import make_run, make_sprint_chain

SHOP = "shop"
RUNS, SANDBOXES = RUN_SOURCE.resource, SANDBOX_SOURCE.resource
MAPS, POD_SOURCE = raw(CONFIG_MAPS), raw(PODS)
RUN = make_run("fix")
LABEL = "test.dev/for"


def obj(name: str, *, labels: Json | None = None, namespace: str = SHOP, **fields: Any) -> Json:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": metadata | {"labels": labels or {}}, **fields}


class Cached:
    """The caches that a relation of a kind needs, with the indexes that it declares."""

    def __init__(self, relation: Relation[Any, Any], reader: Source[Any] = RUN_SOURCE) -> None:
        self.relation, self.reader = relation, reader.resource
        self.edges = relation.edges(REGISTRY.origins)
        sources: dict[Resource, Source[Any]] = {reader.resource: reader}
        indexes: dict[Resource, dict[str, Callable[[Json], Any]]] = {
            reader.resource: {UNFINISHED: lambda item: [item["metadata"]["namespace"]] if "ended" not in item else []}
        }
        for edge in self.edges:
            sources.setdefault(edge.source.resource, edge.source)
            for index in edge.indexes:
                indexes.setdefault(index.resource or reader.resource, {})[index.name] = index.function
        self.store = Store(CachedKind(source, indexes.get(kind, {})) for kind, source in sources.items())
        self.view = View(self.store, REGISTRY.origins, POD_SETTINGS)

    def put(self, resource: Resource, *items: Json) -> Cached:
        for item in items:
            assert self.store.cache(resource).apply(item)
        return self

    def read(self, reader: Any = RUN) -> Any:
        return self.relation.read(self.view, reader)

    def woken(self, resource: Resource, old: Json | None, new: Json | None) -> set[str]:
        return {
            f"{namespace}/{name}"
            for edge in self.edges
            if edge.source.resource == resource
            for namespace, name in edge.concerns(self.store, self.reader, old, new)
        }


def sandbox_of(name: str, uid: str | None = None) -> Sandbox:
    """Return a Sandbox that has what relations read, and nothing else."""
    reference = SandboxRun.model_construct(name=name, uid=uid or "")
    return Sandbox.model_construct(
        metadata=RUN.metadata, spec=SandboxSpec.model_construct(run_ref=reference, attempt=1, try_number=1)
    )


def run_json(name: str = "fix", **spec: Any) -> Json:
    body = make_run(name, **spec).to_json()
    body["metadata"]["resourceVersion"] = "1"
    return body


def test_own_namespace_reads_and_wakes_by_its_deletion() -> None:
    cached = Cached(own_namespace(raw(NAMESPACES))).put(RUNS, run_json(), run_json("over") | {"ended": True})
    calm = {"metadata": {"name": SHOP, "uid": "n", "resourceVersion": "1"}}
    ending = {"metadata": calm["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "2"}}
    assert cached.read() is False
    assert cached.put(NAMESPACES, calm).read() is False
    assert cached.put(NAMESPACES, ending).read() is True
    assert cached.woken(NAMESPACES, calm, ending) == {"shop/fix", "shop/over"}
    assert cached.woken(NAMESPACES, None, calm) == cached.woken(NAMESPACES, ending, None) == set()


def test_in_project_reads_one_name_and_wakes_what_is_unfinished() -> None:
    relation = in_project(MAPS, "default", view=lambda item: (item or {}).get("data"))
    cached = Cached(relation).put(RUNS, run_json(), run_json("over") | {"ended": True})
    item, other = obj("default", data="a"), obj("other", data="a")
    assert cached.read() is None
    assert cached.put(CONFIG_MAPS, item, other).read() == item
    assert cached.woken(CONFIG_MAPS, None, item) == cached.woken(CONFIG_MAPS, item, None) == {"shop/fix"}
    assert cached.woken(CONFIG_MAPS, item, item | {"status": 1}) == set(), "its view of it is the same"
    assert cached.woken(CONFIG_MAPS, None, other) == set()
    assert cached.woken(CONFIG_MAPS, None, obj("default", namespace="bakery", data="a")) == set()


@pytest.mark.parametrize(("uid", "is_read"), [("uid-fix", True), ("uid-earlier", False), ("", False)])
def test_named_reads_what_was_made_for_the_readers_uid(uid: str, *, is_read: bool) -> None:
    cached = Cached(named(POD_SOURCE, "{}-pod".format, lambda name: name.removesuffix("-pod"), label_of(LABEL)))
    pod = obj("fix-pod", labels={LABEL: uid})
    assert cached.put(PODS, pod).read() == (pod if is_read else None)
    assert cached.woken(PODS, None, pod) == cached.woken(PODS, pod, None) == {"shop/fix"}


def test_everywhere_reads_and_wakes_across_namespaces() -> None:
    bakery = run_json("bun")
    bakery["metadata"]["namespace"] = "bakery"
    relation = everywhere(MAPS, lambda items: sorted(item["metadata"]["name"] for item in items))
    cached = Cached(relation).put(RUNS, run_json(), bakery, run_json("over") | {"ended": True})
    assert cached.put(CONFIG_MAPS, obj("a"), obj("b", namespace="elsewhere")).read() == ["a", "b"]
    assert cached.woken(CONFIG_MAPS, None, obj("c")) == {"shop/fix", "bakery/bun"}


CHAIN = make_sprint_chain()
CHAIN_JSON = CHAIN.to_json()
CHAIN_JSON["metadata"]["resourceVersion"] = "1"
CHAINS = REGISTRY.origins["SprintChain"].source.resource


def made_by(uid: str, name: str = "nightly") -> Run:
    return make_run("fix", origin=Origin(kind="SprintChain", name=name, uid=uid, index=0))


@pytest.mark.parametrize(
    ("uid", "name", "is_absent"),
    [(CHAIN.uid, "nightly", False), ("uid-earlier", "nightly", True), (CHAIN.uid, "deleted", True)],
    ids=["there", "made again", "gone"],
)
def test_origin_of_reads_the_origin_of_the_uid(uid: str, name: str, *, is_absent: bool) -> None:
    run = made_by(uid, name)
    body = run.to_json()
    body["metadata"]["resourceVersion"] = "1"
    cached = Cached(origin_of()).put(CHAINS, CHAIN_JSON | {}).put(RUNS, body)
    origin = cached.read(run)
    assert (origin.kind, origin.name, origin.uid) == ("SprintChain", name, uid)
    assert isinstance(origin, AbsentOrigin) is is_absent
    assert origin.reports_ends is REGISTRY.origins["SprintChain"].reports_ends
    assert cached.woken(CHAINS, None, CHAIN_JSON) == ({"shop/fix"} if uid == CHAIN.uid else set())


def test_origin_of_refuses_kinds_that_make_no_runs() -> None:
    relation = origin_of()
    assert Cached(relation).read(RUN) is None
    assert relation.refuse(REGISTRY.origins, RUN) == relation.refuse(REGISTRY.origins, made_by("u")) == ""
    assert "spec.origin.kind" in relation.refuse({}, made_by("u"))


@pytest.mark.parametrize(("uid", "is_read"), [("uid-scripted", True), ("uid-earlier", False), (None, True)])
def test_named_by_reads_what_a_field_names(uid: str | None, *, is_read: bool) -> None:
    fields = {"runRef": {"name": "fix", "uid": uid}}
    sandbox = sandbox_of("fix", uid)
    path = "spec.runRef.uid" if uid is not None else None
    cached = Cached(named_by("spec.runRef.name", MAPS, uid=path, is_reader=lambda item: "ended" not in item), raw(PODS))
    target = obj("fix") | {"metadata": obj("fix")["metadata"] | {"uid": "uid-scripted"}}
    cached.put(CONFIG_MAPS, target)
    cached.put(PODS, obj("a", spec=fields), obj("b", spec={}), obj("c", spec=fields, ended=True))
    assert cached.read(sandbox) == (target if is_read else None)
    assert cached.woken(CONFIG_MAPS, None, target) == cached.woken(CONFIG_MAPS, target, None) == {"shop/a"}


MARKED = [
    obj("mine", spec={"of": {"uid": "uid-fix", "name": "fix", "kind": "Run"}}),
    obj("earlier", spec={"of": {"uid": "uid-earlier", "name": "fix", "kind": "Run"}}),
    obj("unmarked", spec={}),
]


def test_marked_reads_by_uid_and_wakes_by_name_and_kind() -> None:
    marks = ("spec.of.uid", "spec.of.name", MAPS)
    whole = Cached(marked(*marks, kind="spec.of.kind")).put(CONFIG_MAPS, *MARKED)
    assert whole.read() == (MARKED[0],)
    assert Cached(names_marked(*marks)).put(CONFIG_MAPS, *MARKED).read() == {"mine"}
    woken = [whole.woken(CONFIG_MAPS, None, item) for item in MARKED]
    assert woken == [{"shop/fix"}, {"shop/fix"}, set()]
    other = obj("other", spec={"of": {"uid": "uid-fix", "name": "fix", "kind": "Project"}})
    assert whole.woken(CONFIG_MAPS, None, other) == set()
    assert Cached(marked(*marks)).woken(CONFIG_MAPS, other, None) == {"shop/fix"}, "of whichever kind"


def test_all_in_namespace_reads_by_name_and_wakes_its_one_reader() -> None:
    bad = run_json("newer") | {"status": {"phase": "Hibernating"}}
    cached = Cached(all_in_namespace(RUN_SOURCE, "default")).put(RUNS, run_json(), bad)
    found = cached.read()
    assert found["fix"].name == "fix"
    assert found.get("newer") is found.get("none") is None
    assert (list(found), len(found)) == (["fix"], 2)
    assert cached.woken(RUNS, None, run_json()) == {"shop/default"}


def test_through_reads_and_wakes_across_the_object_between() -> None:
    runs = named_by("spec.runRef.name", RUN_SOURCE)
    cached = Cached(through(runs, RUN_SOURCE, named_by("spec.workflowRef.name", MAPS)), raw(PODS))
    sandbox = sandbox_of("fix")
    assert cached.read(sandbox) is None, "there is no Run"
    workflow = obj("scripted")
    cached.put(RUNS, run_json()).put(PODS, obj("a", spec={"runRef": {"name": "fix"}}), obj("b", spec={}))
    cached.put(CONFIG_MAPS, workflow)
    assert cached.read(sandbox) == workflow
    assert cached.woken(CONFIG_MAPS, None, workflow) == cached.woken(RUNS, None, run_json()) == {"shop/a"}
    assert cached.woken(CONFIG_MAPS, None, obj("other")) == set()


@pytest.mark.parametrize(
    ("path", "expected"),
    [("spec.workflowRef.name", "scripted"), ("metadata.uid", "uid-fix"), ("spec.origin.uid", None)],
)
def test_a_path_reads_the_same_of_a_model_and_of_json(path: str, expected: str | None) -> None:
    assert Path(path).of_model(RUN) == Path(path).of_json(RUN.to_json()) == expected


@pytest.mark.parametrize("item", [{}, {"spec": None}, {"spec": []}, {"spec": {"origin": "text"}}])
def test_a_path_of_json_that_leads_nowhere_is_none(item: Json) -> None:
    assert Path("spec.origin.uid").of_json(item) is None
