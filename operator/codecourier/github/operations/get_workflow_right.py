"""Find out whether a credential may change workflow files."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.github.api import Operation
from codecourier.github.credentials import AppInstallation, Credential
from codecourier.github.gateway import Request
from codecourier.github.session import Session

__all__ = ["GetWorkflowRight"]


@dataclass(frozen=True)
class GetWorkflowRight(Operation[bool | None]):
    """Find out whether a credential may change workflow files; None: the host does not say.

    Of an App the installation shows it:
    https://docs.github.com/rest/apps/apps#get-a-repository-installation-for-the-authenticated-app. No request shows
    what a personal token may.
    """

    def needs_host(self, credential: Credential) -> bool:
        """See `Operation.needs_host`."""
        return isinstance(credential, AppInstallation)

    def run(self, session: Session) -> bool | None:
        """See `Operation.run`."""
        credential = session.credential
        if not isinstance(credential, AppInstallation):
            return None
        request = Request("GET", f"{session.address.path}/installation")
        place = session.logins.send_as_app(session.address, credential, request, session.deadline)
        if place.at("id").number() != credential.installation_id:
            return None
        return bool(place.at("permissions", "workflows").data == "write")
