"""The forge's parts, wired."""

from __future__ import annotations

from codecourier.local.forge.accounts import App, TokenService
from codecourier.local.forge.async_merging import AsyncMergeService
from codecourier.local.forge.checks import CheckService
from codecourier.local.forge.gates import Gates
from codecourier.local.forge.issues import IssueService
from codecourier.local.forge.limits import RateLimits
from codecourier.local.forge.merging import MergeService
from codecourier.local.forge.pulls import PullService
from codecourier.local.forge.queueing import QueueService
from codecourier.local.forge.records import Repository
from codecourier.local.forge.repositories import RepositoryService
from codecourier.local.forge.reviews import ReviewService
from codecourier.local.forge.settings import ForgeSettings
from codecourier.local.forge.stacking import StackService
from codecourier.local.forge.store import ForgeStore

__all__ = ["Forge"]


class Forge:
    """One forge over its state folder; everything but Git's own work happens while `store.lock` is held.

    Parameters
    ----------
    settings
        Its folder and port.
    base_url
        Its address for clients, without a slash at the end.
    control_token
        The credential of the control API.
    app
        Its GitHub App.
    """

    def __init__(self, settings: ForgeSettings, *, base_url: str, control_token: str, app: App) -> None:
        self.settings = settings
        self.base_url = base_url
        self.control_token = control_token
        self.app = app
        self.store = ForgeStore(settings.database)
        self.repositories = RepositoryService(self.store, settings)
        self.issues = IssueService(self.store)
        self.pulls = PullService(self.store, self.repositories)
        self.checks = CheckService(self.store, app.slug)
        self.gates = Gates(self.store, app.slug)
        self.merges = MergeService(self.store, self.repositories, self.pulls, self.gates)
        self.queues = QueueService(self.store, self.repositories, self.pulls, self.gates)
        self.stacks = StackService(self.store, self.pulls, self.merges)
        self.async_merges = AsyncMergeService(self.store, self.pulls, self.merges, self.gates, self.queues, self.stacks)
        self.reviews = ReviewService(self.store)
        self.tokens = TokenService(self.store, app)
        self.limits = RateLimits(self.store)

    def follow(self, repository: Repository) -> None:
        """Bring all that depends on a repository's branches up to date, and run the merges whose time has come."""
        self.pulls.follow(repository)
        if not repository.holds_merges:
            self.async_merges.run_due(repository)
            self.queues.advance(repository)

    def run_merges(self, repository: Repository) -> int:
        """Run all merges in the background and advance the queues; returns how many merges were pending."""
        ran = self.async_merges.run_all(repository)
        self.queues.advance(repository)
        self.pulls.follow(repository)
        return ran

    @property
    def api_url(self) -> str:
        """The root of the REST API."""
        return f"{self.base_url}/api/v3"
