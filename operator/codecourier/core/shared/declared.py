"""What a tool applies from Git: others may change it in the cluster, and the tool may undo that."""

from __future__ import annotations

from collections.abc import Mapping

from codecourier.resources.meta import CustomResource

__all__ = ["find_declarer"]

_ARGO_CD = {"argocd.argoproj.io/tracking-id": "Argo CD"}
_FLUX = {"kustomize.toolkit.fluxcd.io/name": "Flux", "helm.toolkit.fluxcd.io/name": "Flux"}


def find_declarer(obj: CustomResource) -> str | None:
    """Return the tool that applies an object from Git, by the marks that it sets; None: there is no such mark."""
    return _first(_ARGO_CD, obj.metadata.annotations) or _first(_FLUX, obj.metadata.labels)


def _first(tools: Mapping[str, str], marks: Mapping[str, str]) -> str | None:
    return next((tool for key, tool in tools.items() if marks.get(key)), None)
