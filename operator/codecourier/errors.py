"""Errors of the operator as a program, independent of any framework."""

from __future__ import annotations

__all__ = ["SettingsError"]


class SettingsError(Exception):
    """A setting is wrong; the message names it and says what to do."""
