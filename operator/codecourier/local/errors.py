"""What can go wrong with the embedded cluster, with the next step for the user."""

from __future__ import annotations

__all__ = [
    "ComponentFailedError",
    "LocalError",
    "NoControlPlaneError",
    "PortTakenError",
    "UnavailableError",
    "UpInterruptedError",
]


class LocalError(Exception):
    """Anything that keeps the embedded cluster from doing what was asked."""


class NoControlPlaneError(LocalError):
    """The programs of a control plane could not be had in any way.

    Parameters
    ----------
    attempts
        For each way that was tried, its name and why it did not work.
    """

    def __init__(self, attempts: dict[str, str]) -> None:
        self.attempts = attempts
        tried = "\n".join(f"  - {way}: {reason}" for way, reason in attempts.items())
        super().__init__(f"there is no control plane to start. Tried, in this order:\n{tried}")


class UnavailableError(LocalError):
    """One of several ways to a control plane does not work here; the message says what it needs."""


class ComponentFailedError(LocalError):
    """A component of the cluster ended by itself or did not become ready in time."""


class PortTakenError(LocalError):
    """A port that a component must have belongs to another program."""


class UpInterruptedError(LocalError):
    """The cluster was taken down while it was being brought up."""

    def __init__(self) -> None:
        super().__init__("`codecourier local down` stopped the cluster while it was coming up; run `up` to start again")
