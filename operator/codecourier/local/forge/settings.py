"""A forge's settings, and the files below its state folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ForgeSettings"]


@dataclass(frozen=True)
class ForgeSettings:
    """One forge's folder, port and limits."""

    state_dir: Path
    """Everything that must survive a restart lies below this folder."""

    port: int
    """TCP port on loopback; 0 takes the port of the last start, or a free one."""

    @property
    def database(self) -> Path:
        """Everything but the Git repositories and the keys."""
        return self.state_dir / "forge.sqlite"

    @property
    def repositories(self) -> Path:
        """Bare repositories, as `<owner>/<name>.git`."""
        return self.state_dir / "repositories"

    @property
    def spool(self) -> Path:
        """Bodies of requests and answers while Git works on them; emptied at each start."""
        return self.state_dir / "spool"

    @property
    def control_token_file(self) -> Path:
        """The credential of the control API."""
        return self.state_dir / "control-token"

    @property
    def app_key_file(self) -> Path:
        """The private key of the forge's only GitHub App."""
        return self.state_dir / "app-private-key.pem"

    @property
    def authority_file(self) -> Path:
        """The certificate that clients trust."""
        return self.state_dir / "ca.crt"

    @property
    def certificate_file(self) -> Path:
        """The serving certificate."""
        return self.state_dir / "server.crt"

    @property
    def certificate_key_file(self) -> Path:
        """The serving certificate's private key."""
        return self.state_dir / "server.key"
