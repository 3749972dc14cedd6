"""Time zones of the pinned tz database (package `tzdata`), never those of the machine or the image's system.

All replicas of one version agree so, and what the next version changes is seen in its lock file and in the metric
`codecourier_tz_database_info`.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

__all__ = ["find_zone", "tz_database_version", "zone_names"]

_DATA = resources.files("tzdata.zoneinfo")

_NO_PLACE = frozenset({"Factory"})
"""Names of the database that say no time: `Factory` is for machines whose zone was never set."""


@cache
def tz_database_version() -> str:
    """Return the release of the tz database, such as `2026f`."""
    with (_DATA / "tzdata.zi").open(encoding="utf-8") as text:
        return text.readline().removeprefix("# version ").strip()


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all zones, such as `Europe/Berlin`, links among them."""
    text = (resources.files("tzdata") / "zones").read_text(encoding="utf-8")
    return frozenset(text.split()) - _NO_PLACE


@lru_cache(maxsize=1024)
def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name; None: this version of the database has no such zone."""
    if name not in zone_names():
        return None
    with _DATA.joinpath(*name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)
