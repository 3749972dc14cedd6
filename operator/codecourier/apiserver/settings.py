"""Settings of the API server: read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from codecourier.errors import SettingsError
from codecourier.logs import LogFormat
from codecourier.settings import read_settings

__all__ = ["API_PREFIX", "ApiServerSettings", "load_api_settings"]

API_PREFIX = "CODECOURIER_API_"
"""Prefix of the environment variables; the rest is a field's name in capitals."""


class ApiServerSettings(BaseModel):
    """What the cluster's administrator decides about the API server."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    listen_host: str = "127.0.0.1"
    """Address that the API is served on; in a pod 0.0.0.0."""

    listen_port: Annotated[int, Field(ge=0, le=65_535)] = 8090
    """Port that the API and the probes are served on; 0 takes a free one, which the log names."""

    metrics_port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    """Port of `/metrics` on the same address, over plain HTTP and without a key; absent: there are none; 0 takes a free
    one, which the log names."""

    tls_certificate_file: Path | None = None
    """File with the server's certificate and those between it and its authority, PEM; absent: plain HTTP."""

    tls_key_file: Path | None = None
    """File with the certificate's key, PEM."""

    audience: Annotated[str, Field(min_length=1)] = "codecourier"
    """Audience that a token of the cluster must be made for: `kubectl create token NAME --audience=codecourier`."""

    accept_wait_seconds: Annotated[float, Field(ge=0, le=10)] = 1.0
    """How long the answer to the creation of a chain waits for the operator to accept it, 0 to 10 seconds."""

    most_connections: Annotated[int, Field(ge=10, le=100_000)] = 1000
    """Connections at one time, 10 to 100000; one more closes the one that was idle for the longest."""

    log_format: LogFormat = "auto"
    """How the log is written: `json`, `text`, or `auto`, which is text on a terminal and JSON elsewhere."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level to log."""

    drain_seconds: Annotated[int, Field(ge=0, le=600)] = 20
    """How long requests that were begun may take to finish after SIGTERM, 0 to 600 seconds."""


def load_api_settings(environment: Mapping[str, str], **overrides: object) -> ApiServerSettings:
    """Return the API server's settings of an environment.

    Raises
    ------
    SettingsError
        If a value is wrong; the message names its variable.
    """
    settings = read_settings(ApiServerSettings, API_PREFIX, environment, overrides)
    if (settings.tls_certificate_file is None) != (settings.tls_key_file is None):
        names = f"{API_PREFIX}TLS_CERTIFICATE_FILE and {API_PREFIX}TLS_KEY_FILE"
        raise SettingsError(f"{names} belong together: set both or neither.")
    return settings
