"""Settings from the environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from codecourier.errors import SettingsError
from codecourier.settings import PREFIX, Settings, load_settings

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "operations.md"


def test_how_the_log_is_written_can_be_set_in_any_case() -> None:
    settings = load_settings({"CODECOURIER_LOG_FORMAT": "JSON", "CODECOURIER_LOG_LEVEL": "Warning"})
    assert (settings.log_format, settings.log_level) == ("json", "warning")
    assert (load_settings({}).log_format, load_settings({}).log_level) == ("auto", "info")


@pytest.mark.parametrize("name", ["CODECOURIER_LOG_FORMAT", "CODECOURIER_LOG_LEVEL"])
def test_a_wrong_value_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({name: "loud"})


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(rf"^\| `({PREFIX}\w+)` \| `?([^`|]+?)`? \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: None if default == "none" else default for name, default in rows}
    settings = load_settings({name: default for name, default in documented.items() if default is not None})
    assert list(documented) == [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    assert settings == Settings()
