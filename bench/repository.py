"""The repository of the benchmarks at the local forge, and the branches that stand in for what publish pushes."""

from __future__ import annotations

from pathlib import Path

from codecourier.core.shared.naming import branch_name
from codecourier.kube.api import Json
from codecourier.local.forge.control import ForgeControl

__all__ = ["Repository"]

_NAME = "bench/shop"
_WORK_BRANCH = "work"


class Repository:
    """A repository with one commit of work that is not in its default branch.

    Parameters
    ----------
    forge_dir
        State folder of the forge.
    forge_url
        Address of the forge.
    """

    def __init__(self, forge_dir: Path, forge_url: str) -> None:
        control = ForgeControl.open(forge_dir)
        control.create_repository(_NAME, files={"README.md": "# shop\n"})
        self.url = f"{forge_url}/{_NAME}"
        self.commit = control.commit(_NAME, _WORK_BRANCH, {"work.md": "Done.\n"}, message="Benchmark the operator")
        permissions = {"contents": "write", "pull_requests": "write", "metadata": "read"}
        self.token = control.create_token(_NAME.partition("/")[0], [_NAME], permissions)  # type: ignore[arg-type]
        self._control = control
        self._heads = forge_dir / "repositories" / f"{_NAME}.git" / "refs" / "heads"

    def push_for(self, run: Json) -> None:
        """Put a Run's branch on the commit of work: a loose ref, as git writes it, without a process for each."""
        metadata = run["metadata"]
        self.push(branch_name(metadata["name"], metadata["uid"], 1))

    def push(self, branch: str) -> str:
        """Put a branch on the commit of work, and return it."""
        path = self._heads / branch
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{self.commit}\n", encoding="ascii")
        return branch

    def pull_requests(self) -> int:
        """Return how many pull requests were opened so far, as the forge counts them."""
        return self._control.counters().pulls_created.get(_NAME, 0)
