"""Settings of the operator: read once from the environment, checked as a whole, passed down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from codecourier.address import HOST_FORM, normalize_host
from codecourier.errors import SettingsError
from codecourier.logs import LogFormat

__all__ = ["PREFIX", "ForgeSettings", "Settings", "load_forge_settings", "load_settings", "read_settings"]

M = TypeVar("M", bound=BaseModel)

PREFIX = "CODECOURIER_"
"""Prefix of the environment variables; the rest is a field's name in capitals."""


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _host(value: str) -> str:
    host = normalize_host(value)
    if host is None:
        raise ValueError(f"'{value}' is not {HOST_FORM}")
    return host


Host = Annotated[str, AfterValidator(_host)]
"""A host in lower case, with its port unless that is 443."""


class ForgeSettings(BaseModel):
    """How repositories' hosts are reached: the operator and the API server read the same variables."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    forge_hosts: Annotated[tuple[Host, ...], BeforeValidator(_split), Field(min_length=1)] = ("github.com",)
    """The only hosts of repositories that anything is sent to, separated by commas, each with its port
    unless that is 443. What a host says can be read in statuses, so list those alone that members may ask."""

    forge_ca_file: Path | None = None
    """File with the certificate authority of the repositories' host, PEM; absent for public authorities."""

    app_id: Annotated[int, Field(ge=1)] | None = None
    """Number of the GitHub App; absent where Projects use personal tokens only."""

    app_private_key_file: Path | None = None
    """File with the GitHub App's RSA key, PEM."""

    app_host: Host = "github.com"
    """The only host that the App's key signs for, with its port unless that is 443; one of `forge_hosts`."""

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """`forge_hosts` as a set."""
        return frozenset(self.forge_hosts)


class Settings(ForgeSettings):
    """What the cluster's administrator decides; each field is read from its environment variable."""

    courier_image: Annotated[str, Field(min_length=1)] = "codecourier.dev/courier:0.1.0"
    """Image of CodeCourier's own steps in a sandbox pod."""

    namespace: Annotated[str, Field(min_length=1)] = "codecourier-system"
    """Namespace of the operator's Lease."""

    identity: Annotated[str, Field(min_length=1)] | None = None
    """Name of this operator, different for each: in a cluster its pod's; absent: the host's name and a random part."""

    listen_host: str = "127.0.0.1"
    """Address of the probes and metrics; in a pod 0.0.0.0."""

    listen_port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port of the probes and metrics; 0 takes a free one."""

    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """How many objects the operator works on at once."""

    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = "auto"
    """How the log is written: `json`, `text`, or `auto`, which is text on a terminal and JSON elsewhere."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"
    """The lowest level to log."""

    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 20.0
    """How long running work may take to finish after SIGTERM, 0 to 600 seconds."""


def load_settings(environment: Mapping[str, str], **overrides: object) -> Settings:
    """Return the operator's settings of an environment.

    Raises
    ------
    SettingsError
        If a value is wrong; the message names its variable.
    """
    settings = read_settings(Settings, PREFIX, environment, overrides)
    _check_app(settings)
    return settings


def load_forge_settings(environment: Mapping[str, str]) -> ForgeSettings:
    """Return how repositories' hosts are reached, by an environment.

    Raises
    ------
    SettingsError
        If a value is wrong; the message names its variable.
    """
    settings = read_settings(ForgeSettings, PREFIX, environment, {})
    _check_app(settings)
    return settings


def _check_app(settings: ForgeSettings) -> None:
    if (settings.app_id is None) != (settings.app_private_key_file is None):
        raise SettingsError(f"{PREFIX}APP_ID and {PREFIX}APP_PRIVATE_KEY_FILE belong together: set both or neither.")
    if settings.app_id is not None and settings.app_host not in settings.forge_hosts:
        raise SettingsError(f"{PREFIX}APP_HOST: {settings.app_host} is not one of {PREFIX}FORGE_HOSTS; add it there.")


def read_settings(model: type[M], prefix: str, environment: Mapping[str, str], overrides: Mapping[str, object]) -> M:
    """Return the settings of a process, each field from the variable of its name behind a prefix.

    Parameters
    ----------
    model
        The settings.
    prefix
        Prefix of the variables.
    environment
        The variables.
    overrides
        What wins over the variables, by field; None: the variable counts.

    Raises
    ------
    SettingsError
        If a value is wrong; the message names its variable.
    """
    variables = {name: f"{prefix}{name.upper()}" for name in model.model_fields}
    values: dict[str, object] = {
        name: environment[variable] for name, variable in variables.items() if variable in environment
    }
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{prefix}{'_'.join(str(part) for part in first['loc']).upper()}"
        raise SettingsError(f"{name}: {first['msg']}.") from error
