"""What failed checks say."""

from __future__ import annotations

import pytest

from codecourier.github.answers import Field
from codecourier.github.client import GitHubForge
from codecourier.github.operations.read_failed_checks import TEXT_MAX_CHARS, ReadFailedChecks, describe_annotation
from codecourier.github.operations.read_gate import ChecksForbidden
from codecourier.local.forge.control import ForgeControl
from tests.github.conftest import PERMISSIONS, Place

pytestmark = pytest.mark.forge

READ_CHECKS = {"checks": "read", "statuses": "read"}


@pytest.fixture
def place(place: Place, control: ForgeControl) -> Place:
    account = place.name.partition("/")[0]
    installation_id = control.install_app(account, {**PERMISSIONS, **READ_CHECKS})  # type: ignore[dict-item]
    return Place(control, place.name, place.id, place.sha, installation_id)


async def test_failed_checks_say_what_they_show_and_others_nothing(forge: GitHubForge, place: Place) -> None:
    control, name, sha = place.control, place.name, place.sha
    control.set_check(name, sha, name="test", conclusion="failure", title="1 failed", text="Traceback")
    control.set_check(name, sha, name="lint", conclusion="success", title="Fine")
    control.set_check(name, sha, name="slow", status="in_progress")
    control.set_check(name, sha, name="build", conclusion="timed_out")
    control.set_status(name, sha, "failure", context="ci/old", description="Tests failed")
    control.set_status(name, sha, "pending", context="ci/slow")
    found = await forge.do(place.by_app, ReadFailedChecks(sha))
    assert [(check.name, check.text) for check in found] == [
        ("build", ""),
        ("ci/old", "Tests failed"),
        ("test", "1 failed\nTraceback"),
    ]


async def test_the_last_report_of_a_check_counts(forge: GitHubForge, place: Place) -> None:
    for conclusion in ("failure", "success"):
        place.control.set_check(place.name, place.sha, name="test", conclusion=conclusion)
    assert await forge.do(place.by_app, ReadFailedChecks(place.sha)) == ()


async def test_a_long_text_is_read_to_its_end(forge: GitHubForge, place: Place) -> None:
    text = "x" * 60_000 + " the end"
    place.control.set_check(place.name, place.sha, name="test", conclusion="failure", summary="y" * 60_000, text=text)
    (check,) = await forge.do(place.by_app, ReadFailedChecks(place.sha))
    assert check.text.endswith("the end")
    assert len(check.text) <= TEXT_MAX_CHARS


async def test_checks_that_may_not_be_read_are_an_error(forge: GitHubForge, place: Place) -> None:
    token = place.personal(contents="write", pull_requests="write")
    with pytest.raises(ChecksForbidden, match="checks: read"):
        await forge.do(place.by_token(token), ReadFailedChecks(place.sha))


def test_a_remark_on_a_line_is_one_line_whatever_it_lacks() -> None:
    place = Field("a request", {"path": "total.py", "start_line": 7, "message": "got 3, want 4"})
    assert describe_annotation(place) == "total.py:7: got 3, want 4"
    assert describe_annotation(Field("a request", {"path": None, "start_line": "x"})) == ":0: "
