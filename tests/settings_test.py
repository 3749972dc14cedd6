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


def test_hosts_are_read_in_their_one_spelling() -> None:
    assert load_settings({"CODECOURIER_FORGE_HOSTS": "GitHub.com:443, git.corp:8443,"}).allowed_hosts == {
        "github.com",
        "git.corp:8443",
    }


@pytest.mark.parametrize("hosts", ["", " , ", "https://github.com", "github.com/acme", "*.corp", "git.corp:0", "a b"])
def test_what_is_no_host_is_refused(hosts: str) -> None:
    with pytest.raises(SettingsError, match="CODECOURIER_FORGE_HOSTS"):
        load_settings({"CODECOURIER_FORGE_HOSTS": hosts})


def test_the_apps_host_has_to_be_one_that_may_be_asked() -> None:
    app = {"CODECOURIER_APP_ID": "1", "CODECOURIER_APP_PRIVATE_KEY_FILE": "key.pem"}
    assert load_settings(app).app_id == 1
    with pytest.raises(SettingsError, match=r"CODECOURIER_APP_HOST: git\.corp is not one of"):
        load_settings({**app, "CODECOURIER_APP_HOST": "git.corp"})


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(rf"^\| `({PREFIX}\w+)` \| `?([^`|]+?)`? \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: None if default == "none" else default for name, default in rows}
    settings = load_settings({name: default for name, default in documented.items() if default is not None})
    assert list(documented) == [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    assert settings == Settings()
