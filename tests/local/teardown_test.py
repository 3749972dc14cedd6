"""Removing what a cluster left, also a deep tree from a repository."""

import errno
import os
from pathlib import Path

import pytest

from codecourier.local.errors import LocalError
from codecourier.local.layout import ClusterLayout
from codecourier.local.teardown import remove_data
from tests.support.deep_tree import make_deep


def test_a_deep_tree_in_a_volume_goes_and_other_files_stay(tmp_path: Path) -> None:
    layout = ClusterLayout(tmp_path)
    layout.node.mkdir()
    make_deep(layout.node, 1_500)
    (tmp_path / "notes").touch()
    remove_data(layout)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_what_cannot_be_removed_is_named_with_the_next_step(tmp_path: Path) -> None:
    layout = ClusterLayout(tmp_path)
    layout.node.touch()
    with pytest.raises(LocalError) as caught:
        remove_data(layout)
    reason = os.strerror(errno.ENOTDIR)
    assert f"{layout.node} cannot be removed: [Errno {errno.ENOTDIR}] {reason}" in str(caught.value)
    assert "run `codecourier local down`" in str(caught.value)
