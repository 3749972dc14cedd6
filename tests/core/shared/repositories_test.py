"""Which of a Project's repositories an address names."""

from __future__ import annotations

import pytest

from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.repositories import find_repository
from tests.support.worlds import make_project


@pytest.mark.parametrize("port", ["", ":443"])
@pytest.mark.parametrize("rest", ["example/shop", "Example/Shop.git"])
def test_an_address_names_a_repository_however_it_is_written(port: str, rest: str) -> None:
    (repository,) = make_project().spec.repositories
    assert find_repository(make_project(), f"https://FORGE.test{port}/{rest}") == repository


@pytest.mark.parametrize("url", ["https://forge.test:444/example/shop", "https://forge.test/example/shop.v2", "shop"])
def test_another_address_names_none(url: str) -> None:
    assert find_repository(make_project(), url) is Reason.REPOSITORY_NOT_ALLOWED
