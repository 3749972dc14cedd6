"""A user of the forge: opens pull requests and reads them, as people do on the pages that the forge does not have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from codecourier.kube.api import Json
from codecourier.local.api import LoopbackServer
from codecourier.local.errors import LocalError
from codecourier.local.forge.control import ForgeControl
from codecourier.local.forge.rest import API_PREFIX

__all__ = ["ForgeUser"]


@dataclass(frozen=True)
class ForgeUser:
    """The owner of a repository at the forge."""

    forge: ForgeControl
    repository: str
    """Full name at the forge, `owner/name`."""

    token: str

    def open_pull(self, branch: str, title: str, files: dict[str, str]) -> int:
        """Change files on a new branch of main, open a pull request for it, and return its number."""
        main = self._ask("GET", "/git/ref/heads/main")["object"]["sha"]
        self._ask("POST", "/git/refs", {"ref": f"refs/heads/{branch}", "sha": main})
        self.forge.commit(self.repository, branch, files, message=title)
        body = {"title": title, "head": branch, "base": "main", "body": ""}
        return int(self._ask("POST", "/pulls", body)["number"])

    def read_pull(self, number: int) -> Json:
        """Return a pull request as GitHub's API shows it."""
        return self._ask("GET", f"/pulls/{number}")

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        address = self.forge.address
        server = LoopbackServer(address.port, address.ca_path)
        headers = {"Authorization": f"token {self.token}"}
        content = None if body is None else json.dumps(body).encode()
        answer = server.request(method, f"{API_PREFIX}/repos/{self.repository}{path}", content, headers)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise LocalError(f"the forge answers {method} {path} with {answer.status}: {answer.json.get('message')}")
        found: Json = answer.json
        return found
