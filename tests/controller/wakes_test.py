"""Which keys a change wakes."""

from __future__ import annotations

from typing import Any

from codecourier.controller.kinds import PROJECTS, RUNS
from codecourier.controller.store import Store
from codecourier.controller.wakes import WorkKey, wakes


def project(*places: tuple[str, int]) -> dict[str, Any]:
    """Return a Project with places, each for a Run and a try."""
    admitted = [{"name": run, "uid": f"uid-{run}", "attempt": 1, "tryNumber": number} for run, number in places]
    return {"metadata": {"name": "default", "namespace": "shop", "uid": "u"}, "status": {"admitted": admitted}}


def woken(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    """Return the names of the Runs that a change of the Project wakes."""
    keys = set(wakes(Store(), PROJECTS, old, new))
    assert WorkKey(PROJECTS, "shop", "default") in keys
    return {key.name for key in keys if key.resource == RUNS}


def test_a_place_wakes_its_run_and_no_other() -> None:
    assert woken(project(("fix", 1)), project(("fix", 1), ("mend", 1))) == {"mend"}
    assert woken(project(("fix", 1)), project()) == set()


def test_a_place_for_the_next_try_wakes_a_run_that_is_listed_already() -> None:
    assert woken(project(("fix", 1)), project(("fix", 2))) == {"fix"}


def run(phase: str, **changes: Any) -> dict[str, Any]:
    """Return a Run in its first try."""
    status = {"phase": phase, "attempt": 1, "tries": [{"number": 1}], **changes}
    return {"metadata": {"name": "fix", "namespace": "shop", "uid": "u"}, "spec": {}, "status": status}


def test_a_run_that_ends_wakes_the_project_whose_place_it_held() -> None:
    project_key = WorkKey(PROJECTS, "shop", "default")
    assert project_key in set(wakes(Store(), RUNS, run("Running"), run("Completed")))
    assert project_key in set(wakes(Store(), RUNS, run("Running"), None))
    assert project_key not in set(wakes(Store(), RUNS, run("Running"), run("Running", message="It works.")))
