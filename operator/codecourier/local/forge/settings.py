"""A forge's settings, and the files below its state folder."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ForgeSettings"]


class ForgeSettings:
    """One forge's folder and port.

    Parameters
    ----------
    state_dir
        Everything that must survive a restart lies below this folder.
    port
        TCP port on loopback; 0 takes the port of the last start, or a free one.
    """

    def __init__(self, state_dir: Path, port: int) -> None:
        self.state_dir = state_dir
        self.port = port
        self.database = state_dir / "forge.sqlite"
        """Everything but the Git repositories and the keys."""
        self.repositories = state_dir / "repositories"
        """Bare repositories, as `<owner>/<name>.git`."""
        self.spool = state_dir / "spool"
        """Bodies of requests and answers while Git works on them; emptied at each start."""
        self.control_token_file = state_dir / "control-token"
        """The credential of the control API."""
        self.app_key_file = state_dir / "app-private-key.pem"
        """The private key of the forge's only GitHub App."""
        self.authority_file = state_dir / "ca.crt"
        """The certificate that clients trust."""
        self.certificate_file = state_dir / "server.crt"
        """The serving certificate."""
        self.certificate_key_file = state_dir / "server.key"
        """The serving certificate's private key."""
