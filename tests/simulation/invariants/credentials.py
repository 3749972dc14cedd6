"""Credentials are nowhere but in Secrets (invariant 8), which stay while their tokens work (5)."""

from __future__ import annotations

import base64

from codecourier.core.sandbox.tokens import REVOCATION_LIMIT
from codecourier.core.shared.naming import LABEL_SANDBOX_UID
from codecourier.kube.api import SECRETS
from tests.simulation.forge import CANARY, Pull, Push
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change

__all__ = ["Credentials"]


class Credentials:
    """Checks where credentials are, and how long.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self.stored: set[str] = set()
        """Credentials that ever lay in a Secret of ours, base64."""

        self._scene = scene

    def no_leak(self, change: Change) -> None:
        """Check that no object but a Secret has a credential."""
        resource, namespace, name = change.identity
        if resource != SECRETS and CANARY.encode() in change.new.data:
            self._scene.fail("8", f"a credential is in {resource.kind} {namespace}/{name}")

    def secret_seen(self, change: Change) -> None:
        """Remember tokens, and check that their Secret stays while they work."""
        if LABEL_SANDBOX_UID in change.new.labels:
            stored = {v for k, v in change.new.obj["data"].items() if k != "ca.crt"}
            self.stored |= stored
            if change.type == "DELETED" and any(self.is_working(v) and not self._is_given_up(v) for v in stored):
                self._scene.fail("5", f"Secret {change.identity[2]} went while its tokens worked")

    def is_working(self, encoded: str) -> bool:
        """Tell whether a credential, base64, is a token that ends by itself and has neither ended nor been revoked."""
        forge = self._scene.forge
        token = forge.tokens.get(base64.b64decode(encoded).decode())
        return token is not None and token.ends is not None and not token.is_revoked and token.ends > forge.now()

    def _is_given_up(self, encoded: str) -> bool:
        """Tell whether a forge has not revoked a token for so long that nothing has to wait for it any more.

        One that answers nobody is asked by one probe at a time, so it may never have been asked for this token.
        """
        forge = self._scene.forge
        asked = forge.tokens[base64.b64decode(encoded).decode()].asked
        times = [time for time in (asked, forge.hung_since) if time is not None]
        return bool(times) and forge.now() >= min(times) + REVOCATION_LIMIT

    def pushed(self, push: Push) -> None:
        """Check that no secret is pushed."""
        if any(CANARY in text for text in push.commit.tree.values()):
            self._scene.fail("8", f"a secret was pushed to {push.branch}")

    def opened(self, pull: Pull) -> None:
        """Check that no pull request tells a credential."""
        if CANARY in pull.body + pull.title:
            self._scene.fail("8", f"a credential is in pull request {pull.number}")
