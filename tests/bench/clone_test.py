"""Copies of finished objects."""

from bench.clone import as_new, renamed
from codecourier.core.shared.naming import sandbox_name, uid_hash


def test_names_uids_and_their_hashes_are_replaced_everywhere() -> None:
    old, new = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
    obj = {
        "metadata": {"name": sandbox_name("old", old, 1, 1), "labels": {"run": old}},
        "spec": {"runRef": {"name": "old", "uid": old}},
    }
    copy = renamed(obj, {"old": "new"}, {old: new})
    assert copy["metadata"] == {"name": f"new-{uid_hash(new)}-1-1", "labels": {"run": new}}
    assert copy["spec"] == {"runRef": {"name": "new", "uid": new}}
    assert obj["spec"] == {"runRef": {"name": "old", "uid": old}}


def test_what_the_server_gives_is_left_out_of_a_new_object() -> None:
    metadata = {"name": "a", "namespace": "x", "uid": "1", "resourceVersion": "2", "finalizers": ["f"]}
    obj = {"kind": "Run", "metadata": {**metadata, "creationTimestamp": "t", "managedFields": [], "generation": 3}}
    assert as_new(obj, "y") == {"kind": "Run", "metadata": {"name": "a", "namespace": "y", "finalizers": ["f"]}}
