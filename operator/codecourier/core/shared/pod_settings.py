"""What the operator's settings say of every pod."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PodSettings"]


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What the cluster's administrator decides of every sandbox pod."""

    courier_image: str
    """Image of our own steps."""

    has_ca: bool = False
    """Whether the repositories' host has a certificate authority of its own, in the token Secret's `ca.crt`."""
