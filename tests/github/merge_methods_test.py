"""How pull requests may be merged: by the repository's settings and the branch's rules."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.checks import MergeMethods, MergeStrategy
from codecourier.github.client import GitHubForge
from codecourier.github.operations.get_merge_methods import GetMergeMethods
from tests.github.conftest import Place

pytestmark = pytest.mark.forge

MERGE, SQUASH, REBASE = MergeStrategy


@pytest.mark.parametrize(
    ("settings", "rules", "allowed"),
    [
        ({}, {}, set(MergeStrategy)),
        ({"allow_squash_merge": False}, {}, {MERGE, REBASE}),
        ({"allow_merge_commit": False, "allow_rebase_merge": False}, {}, {SQUASH}),
        ({}, {"linear_history": True}, {SQUASH, REBASE}),
        ({}, {"merge_methods": ["rebase"]}, {REBASE}),
        ({"allow_rebase_merge": False}, {"merge_methods": ["merge", "rebase"]}, {MERGE}),
    ],
)
async def test_settings_and_rules_forbid_methods(
    forge: GitHubForge,
    place: Place,
    settings: dict[str, Any],
    rules: dict[str, Any],
    allowed: set[MergeStrategy],
) -> None:
    place.control.set_merging(place.name, **settings)
    if rules:
        place.control.add_rules(place.name, "main", **rules)
    found = await forge.do(place.by_app, GetMergeMethods("main"))
    assert found == MergeMethods(allowed=frozenset(allowed), has_queue=False)
