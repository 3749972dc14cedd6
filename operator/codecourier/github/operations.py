"""What is done at a forge, step by step; blocking, for threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime

from codecourier.github.address import RepositoryAddress, quote_branch
from codecourier.github.answers import Field, read_pull_request, read_repository, read_sha
from codecourier.github.api import (
    AppInstallation,
    Credential,
    PersonalToken,
    PullRequestDraft,
    PullRequestFacts,
    RepositoryFacts,
    Revocation,
    TokenPair,
)
from codecourier.github.errors import ForgeError, Invalid, NotFound
from codecourier.github.gateway import Gateway, Request
from codecourier.github.secret import Secret
from codecourier.github.tokens import Logins, Minted, Wish, mint, revoke

__all__ = ["Operations"]

_CONFLICT = 409


class Operations:
    """A forge's operations for use from any thread; each ends before its deadline on the monotonic clock.

    Parameters
    ----------
    gateway
        The way to the forges.
    clock
        Gives the time in UTC.
    """

    def __init__(self, gateway: Gateway, clock: Callable[[], datetime]) -> None:
        self._gateway = gateway
        self._logins = Logins(gateway, clock)

    def repository(self, address: RepositoryAddress, credential: Credential, deadline: float) -> RepositoryFacts:
        """Look a repository up."""
        field = self._logins.send(address, credential, Request("GET", address.path), deadline)
        facts = read_repository(field)
        # git goes there with a token.
        if RepositoryAddress.parse(facts.clone_url).host != address.host:
            raise Invalid(f"{field.what}: the forge names a clone address on another host, {facts.clone_url}")
        return facts

    def branch_head(
        self, address: RepositoryAddress, credential: Credential, branch: str, deadline: float
    ) -> str | None:
        """Give the commit at the tip of a branch; None if the repository has no such branch."""
        request = Request("GET", f"{address.path}/git/ref/heads/{quote_branch(branch)}")
        try:
            return read_sha(self._logins.send(address, credential, request, deadline))
        except NotFound:
            # The answer is the same for a repository that is gone; that one must not look like a missing branch.
            self.repository(address, credential, deadline)
            return None
        except Invalid as error:
            if error.status != _CONFLICT:
                raise
            return None  # an empty repository has no branches yet

    def find_pull_requests(
        self, address: RepositoryAddress, credential: Credential, head_branch: str, marker: str, deadline: float
    ) -> list[PullRequestFacts]:
        """Find the pull requests from a branch of the repository, in every state."""
        if not marker:
            raise Invalid("pull requests are looked up with a marker, and none was given")
        query = {
            "head": f"{address.owner}:{head_branch}",
            "state": "all",
            "sort": "created",
            "direction": "desc",
            "per_page": 100,
        }
        field = self._logins.send(address, credential, Request("GET", f"{address.path}/pulls", query=query), deadline)
        return [
            read_pull_request(item, has_marker=marker in str(item.at("body").data or ""))
            for item in field.items()
            if _is_from(item, head_branch)
        ]

    def open_pull_request(
        self, address: RepositoryAddress, credential: Credential, draft: PullRequestDraft, deadline: float
    ) -> PullRequestFacts:
        """Open a pull request."""
        body = {
            "title": draft.title,
            "body": draft.body,
            "head": draft.head,
            "base": draft.base,
            "draft": draft.is_draft,
        }
        request = Request("POST", f"{address.path}/pulls", body=body)
        return read_pull_request(self._logins.send(address, credential, request, deadline), has_marker=True)

    def mint_tokens(self, address: RepositoryAddress, credential: Credential, deadline: float) -> TokenPair:
        """Make the credentials of a try."""
        if isinstance(credential, PersonalToken):
            return TokenPair(credential.secret, credential.secret, None)
        repository_id = self._logins.own_token(address, credential, deadline)[0].repository_id
        read = self._mint(address, credential, Wish({"contents": "read"}, repository_id), deadline)
        try:
            write = self._mint(address, credential, Wish({"contents": "write"}, repository_id), deadline)
        except ForgeError:
            with contextlib.suppress(ForgeError):
                revoke(self._gateway, address, read.token, deadline)
            raise
        return TokenPair(read.token, write.token, min(read.expires_at, write.expires_at))

    def revoke(self, address: RepositoryAddress, token: Secret, deadline: float) -> Revocation:
        """End a token that `mint_tokens` made with an App."""
        return revoke(self._gateway, address, token, deadline)

    def _mint(self, address: RepositoryAddress, credential: AppInstallation, wish: Wish, deadline: float) -> Minted:
        try:
            return mint(self._gateway, address, credential, wish, deadline)
        except NotFound:
            # The kept number may be that of a repository which was deleted and made again under its name.
            self._logins.forget(address, credential)
            raise


def _is_from(pull: Field, branch: str) -> bool:
    """Tell whether a pull request comes from a branch of the repository itself.

    The forge was asked for no others, but a fork of the same owner has branches of the same names, and a filter that
    the forge does not understand is not an error there: it answers everything.
    """
    source = pull.at("head", "repo", "id").data
    return pull.at("head", "ref").data == branch and source is not None and source == pull.at("base", "repo", "id").data
