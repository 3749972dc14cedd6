"""Where a forge is: the file that it writes once it is ready."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["READY_FILE", "ForgeAddress", "NoForgeError"]

READY_FILE = "forge.json"


class NoForgeError(Exception):
    """No forge has written its address."""


@dataclass(frozen=True)
class ForgeAddress:
    """Where a forge is, and the files that go with it."""

    pid: int
    port: int
    base_url: str
    api_url: str
    """The root of the REST API."""

    ca_path: Path
    control_token_path: Path
    app_id: int
    app_client_id: str
    app_private_key_path: Path

    @property
    def host(self) -> str:
        """Host and port, as the operator's settings name them."""
        return self.base_url.removeprefix("https://")

    @property
    def operator_variables(self) -> dict[str, str]:
        """The environment of an operator that may ask this forge alone."""
        return {"CODECOURIER_FORGE_HOSTS": self.host, "CODECOURIER_FORGE_CA_FILE": str(self.ca_path)}

    def write(self, state_dir: Path) -> None:
        """Write the ready file."""
        draft = state_dir / "forge.json.tmp"
        draft.write_text(json.dumps(asdict(self), default=str, indent=2), encoding="utf-8")
        draft.replace(state_dir / READY_FILE)

    @classmethod
    def read(cls, state_dir: Path) -> ForgeAddress:
        """Read the ready file of a forge's state folder.

        Raises
        ------
        NoForgeError
            If there is none: the forge was never ready.
        """
        path = state_dir / READY_FILE
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise NoForgeError(f"{path} is missing: no forge was ready with this state folder") from error
        paths = {name: Path(content[name]) for name in content if name.endswith("_path")}
        return cls(**{**content, **paths})
