"""What the caches keep of an object."""

import copy
import json

import pytest

from codecourier.core.sandbox.pod_view import view_pod
from codecourier.core.shared.naming import ANNOTATION_TASK, ANNOTATION_TOKEN_EXPIRY
from codecourier.kinds.sources import trim_pod, trim_secret, view_secret
from codecourier.kube.api import PODS, Json
from codecourier.kube.cache import Cache

POD: Json = {
    "metadata": {
        "name": "one",
        "namespace": "shop",
        "uid": "a",
        "resourceVersion": "5",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {ANNOTATION_TASK: "x" * 5000, "kept": "yes"},
        "finalizers": ["codecourier.dev/recorded"],
    },
    "spec": {
        "nodeName": "node",
        "volumes": [{"name": "v", "emptyDir": {}}],
        "initContainers": [{"name": "checkout", "image": "c:1", "env": [{"name": "A", "value": "b"}]}],
        "containers": [{"name": "publish", "image": "c:1"}],
    },
    "status": {
        "phase": "Running",
        "initContainerStatuses": [
            {"name": "checkout", "state": {"running": {"startedAt": "2026-01-01T00:00:01Z"}}},
        ],
        "containerStatuses": [{"name": "publish", "state": {"waiting": {"reason": "PodInitializing"}}}],
    },
}


def test_a_trimmed_pod_is_seen_as_the_whole_one() -> None:
    trimmed = copy.deepcopy(POD)
    trim_pod(trimmed)
    assert view_pod(trimmed) == view_pod(POD)
    assert trimmed["metadata"]["annotations"] == {"kept": "yes"}
    assert len(json.dumps(trimmed)) < 1000


def test_a_pod_without_node_stays_one_and_trimming_twice_is_trimming_once() -> None:
    pod = copy.deepcopy(POD)
    del pod["spec"]["nodeName"]
    trim_pod(pod)
    once = copy.deepcopy(pod)
    trim_pod(pod)
    assert pod == once
    assert view_pod(pod).node == ""


def test_a_cached_secret_holds_no_token() -> None:
    secret = {"metadata": {"name": "one-token"}, "data": {"read": "canary"}}
    trim_secret(secret)
    assert secret == {"metadata": {"name": "one-token"}}


def test_a_cache_trims_what_it_takes() -> None:
    cache = Cache(PODS, {}, trim_pod)
    cache.apply(copy.deepcopy(POD))
    kept = cache.get("shop", "one")
    assert kept is not None
    assert "volumes" not in kept["spec"]


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2026-03-01T12:00:00+00:00", 2026),
        ("soon", 9999),
        ("2026-03-01T12:00:00", 9999),
        ("0001-01-01T00:00:00+00:00", 9999),
    ],
)
def test_a_damaged_expiry_hides_no_token_that_has_to_be_revoked(text: str, year: int) -> None:
    metadata = {"name": "one-token", "resourceVersion": "1", "annotations": {ANNOTATION_TOKEN_EXPIRY: text}}
    view = view_secret({"metadata": metadata})
    assert view is not None
    assert view.expiry_time is not None
    assert (view.expiry_time.year, view.expiry_time.tzinfo is not None) == (year, True)
