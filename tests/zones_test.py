import re

import pytest

from codecourier.zones import find_zone, tz_database_version, zone_names


def test_every_name_of_the_database_is_a_zone() -> None:
    assert all(find_zone(name) is not None for name in zone_names())
    assert len(zone_names()) > 500


@pytest.mark.parametrize(
    "name", ["", "Local", "localtime", "+01:00", "Factory", "Mars/Olympus", "../etc/passwd", "Europe", "europe/berlin"]
)
def test_other_names_are_none(name: str) -> None:
    assert find_zone(name) is None


def test_the_release_is_known() -> None:
    assert re.fullmatch(r"20\d\d[a-z]+", tz_database_version())
