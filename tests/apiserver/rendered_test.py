"""Texts of objects that lists show: those of now, whatever happened, and never more memory than is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from codecourier.apiserver.answers import page_of, page_of_texts, view_text
from codecourier.apiserver.rendered import Kept, Rendered
from codecourier.apiserver.served import cached
from codecourier.apiserver.views.run import view_run
from codecourier.cache.store import Store
from codecourier.kinds.sources import RUN_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.run import Run

RUNS = RUN_SOURCE.resource
MOST_BYTES = 2000


def run_obj(name: str, uid: str, version: int, title: str) -> Json:
    """Return a Run."""
    created = {"resourceVersion": str(version), "creationTimestamp": "2026-11-30T00:00:00Z"}
    metadata = {"namespace": "shop", "name": name, "uid": uid, **created}
    api = {"apiVersion": RUNS.api_version, "kind": RUNS.kind}
    spec = {"workflowRef": {"name": "w"}, "prompt": "x"}
    return {**api, "metadata": metadata, "spec": spec, "status": {"attempt": 1, "title": title}}


def text_of(kept: Kept, run: Run, view: Callable[[Run], Any] = view_run) -> bytes:
    """Return what a list shows of a Run, from its text where that is kept."""
    found = kept.find(run.namespace, run.name)
    (text,) = kept.put(run.namespace, run.name, (view_text(view(run)),)) if found is None else found
    return text


def runs_of(store: Store) -> tuple[Run, ...]:
    """Return the Runs of a store."""
    return store.readable(RUN_SOURCE, store.cache(RUNS).list("shop"))


steps = st.tuples(
    st.sampled_from("abc"), st.integers(0, 2), st.text(max_size=200), st.sampled_from(["put", "lose", "back"])
)


@given(st.lists(steps, max_size=12))
def test_a_list_shows_objects_as_they_are_whatever_happened(made: list[tuple[str, int, str, str]]) -> None:
    store, rendered = Store((cached(RUN_SOURCE),)), Rendered(MOST_BYTES)
    kept, others = rendered.keep(RUNS), rendered.keep(RUNS)
    store.subscribe(rendered.changed)
    cache, version = store.cache(RUNS), 10
    for name, number, title, what in made:
        version += 1
        if what == "put":
            cache.apply(run_obj(name, f"{name}-{number}", version, title))
        elif what == "lose":
            cache.note_delete("shop", name, f"{name}-{number}")
        else:  # history went back, and the version comes again with another content
            begin = cache.begin_list()
            cache.replace_all([run_obj(name, f"{name}-{number}", 5, title)], "6", begin)
        runs = runs_of(store)
        for run in runs:
            others.put(run.namespace, run.name, (b"{}", b"{}"))
        shown = page_of_texts((text_of(kept, run) for run in runs), "next")
        assert orjson.loads(shown.body) == orjson.loads(page_of(map(view_run, runs), "next").body)
        assert rendered.size <= MOST_BYTES


def test_an_object_is_shown_from_its_text_until_it_changes() -> None:
    store, rendered, asked = Store((cached(RUN_SOURCE),)), Rendered(), list[str]()
    kept = rendered.keep(RUNS)
    store.subscribe(rendered.changed)

    def view(run: Run) -> Any:
        asked.append(run.name)
        return view_run(run)

    for version, name in enumerate("ab", start=1):
        store.cache(RUNS).apply(run_obj(name, name, version, ""))
    for _ in range(3):
        for run in runs_of(store):
            text_of(kept, run, view)
    assert asked == ["a", "b"]
    store.cache(RUNS).apply(run_obj("a", "a", 3, "Else"))
    for run in runs_of(store):
        text_of(kept, run, view)
    assert asked == ["a", "b", "a"]
    store.cache(RUNS).note_delete("shop", "a", "a")
    store.cache(RUNS).note_delete("shop", "b", "b")
    assert rendered.size == 0
