"""Settings from the environment."""

from __future__ import annotations

import pytest

from codecourier.errors import SettingsError
from codecourier.settings import load_settings


def test_how_the_log_is_written_can_be_set_in_any_case() -> None:
    settings = load_settings({"CODECOURIER_LOG_FORMAT": "JSON", "CODECOURIER_LOG_LEVEL": "Warning"})
    assert (settings.log_format, settings.log_level) == ("json", "warning")
    assert (load_settings({}).log_format, load_settings({}).log_level) == ("auto", "info")


@pytest.mark.parametrize("name", ["CODECOURIER_LOG_FORMAT", "CODECOURIER_LOG_LEVEL"])
def test_a_wrong_value_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({name: "loud"})
