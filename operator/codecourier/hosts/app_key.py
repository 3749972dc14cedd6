"""The files that settings name: the GitHub App's key, and certificates."""

from __future__ import annotations

from pathlib import Path

from codecourier.errors import SettingsError
from codecourier.github.secret import Secret
from codecourier.hosts.credentials import AppIdentity
from codecourier.settings import ForgeSettings

__all__ = ["load_app", "read_named"]


def load_app(settings: ForgeSettings) -> AppIdentity | None:
    """Return the GitHub App of the settings; None: there is none.

    Raises
    ------
    SettingsError
        If its key cannot be read.
    """
    key = read_named(settings.app_private_key_file, "CODECOURIER_APP_PRIVATE_KEY_FILE")
    if settings.app_id is None or key is None:
        return None
    return AppIdentity(settings.app_id, Secret(key), settings.app_host)


def read_named(path: Path | None, variable: str) -> str | None:
    """Return the text of the file that a variable names; None: it names none.

    Raises
    ------
    SettingsError
        If it cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable}: {path} cannot be read: {error}") from error
