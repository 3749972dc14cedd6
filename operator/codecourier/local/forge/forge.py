"""The forge's parts, wired."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.local.forge.accounts import App, TokenService
from codecourier.local.forge.faults import FaultService
from codecourier.local.forge.limits import RateLimits
from codecourier.local.forge.merging import MergeService
from codecourier.local.forge.pulls import PullService
from codecourier.local.forge.repositories import RepositoryService
from codecourier.local.forge.settings import ForgeSettings
from codecourier.local.forge.store import ForgeStore

__all__ = ["Forge", "build_forge"]


@dataclass(frozen=True)
class Forge:
    """One forge; everything but Git's own work happens while `store.lock` is held."""

    settings: ForgeSettings
    base_url: str
    """Without a slash at the end."""

    control_token: str
    app: App
    store: ForgeStore
    repositories: RepositoryService
    pulls: PullService
    merges: MergeService
    tokens: TokenService
    limits: RateLimits
    faults: FaultService

    @property
    def api_url(self) -> str:
        """What PyGithub is given as its base URL."""
        return f"{self.base_url}/api/v3"


def build_forge(settings: ForgeSettings, *, base_url: str, control_token: str, app: App) -> Forge:
    """Wire a forge over its state folder."""
    store = ForgeStore(settings.database)
    repositories = RepositoryService(store, settings)
    pulls = PullService(store, repositories)
    return Forge(
        settings=settings,
        base_url=base_url,
        control_token=control_token,
        app=app,
        store=store,
        repositories=repositories,
        pulls=pulls,
        merges=MergeService(store, repositories, pulls),
        tokens=TokenService(store, app),
        limits=RateLimits(store),
        faults=FaultService(store),
    )
