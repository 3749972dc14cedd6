"""Merges on the embedded cluster, for tests: pull requests at the forge, and MergeJobs of them."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from typing import Any

from codecourier.kinds.api_resources import MERGE_JOBS
from codecourier.kube.api import Json
from codecourier.local.forge.address import ForgeAddress
from tests.support.team import Team

__all__ = [
    "ALL_TESTS",
    "BOTH",
    "ask_forge",
    "open_pull",
    "outcomes",
    "read_file",
    "start_merge",
    "tip_of",
]

BOTH = "sed -i -e '/^<<<<<<</d' -e '/^=======$/d' -e '/^>>>>>>>/d' *.txt\n"
"""An agent that keeps both sides of a conflict."""

ALL_TESTS = "for test in *.sh; do if test -e $test; then sh $test || exit 1; fi; done"
"""A verify step: the tests that the pull requests bring along."""


def ask_forge(team: Team, method: str, path: str, **body: Any) -> Json:
    """Ask the forge for something as a user of the repository."""
    granted = {"contents": "write", "pull_requests": "write"}
    token = team.forge.create_token(team.namespace, [team.repository], granted)  # type: ignore[arg-type]
    address = ForgeAddress.read(team.cluster.layout.forge)
    context = ssl.create_default_context(cafile=str(address.ca_path))
    connection = http.client.HTTPSConnection(address.host, context=context, timeout=20)
    headers = {"Authorization": f"token {token}"}
    connection.request(method, f"/api/v3/repos/{team.repository}{path}", json.dumps(body), headers)
    response = connection.getresponse()
    answer: Json = json.loads(response.read())
    connection.close()
    assert response.status < 300, answer
    return answer


def tip_of(team: Team, branch: str = "main") -> str:
    """Return the head of a branch."""
    return str(ask_forge(team, "GET", f"/git/ref/heads/{branch}")["object"]["sha"])


def open_pull(team: Team, branch: str, base: str, *, into: str = "main", body: str = "", **files: str) -> str:
    """Open a pull request that starts from a commit and changes files; return its head."""
    ask_forge(team, "POST", "/git/refs", ref=f"refs/heads/{branch}", sha=base)
    named = {name.replace("_", "."): text for name, text in files.items()}
    head = team.forge.commit(team.repository, branch, named)
    ask_forge(team, "POST", "/pulls", title=f"Change {branch}", head=branch, base=into, body=body)
    return head


def read_file(team: Team, branch: str, name: str, repository: str | None = None) -> str:
    """Return a file's content at the head of a branch; of the team's repository unless another one is named."""
    bare = team.cluster.layout.forge / "repositories" / f"{repository or team.repository}.git"
    done = subprocess.run(
        ["git", "--git-dir", str(bare), "show", f"{branch}:{name}"], capture_output=True, text=True, check=True
    )
    return done.stdout


async def start_merge(team: Team, mode: str, *numbers: int, **spec: Any) -> None:
    """Create the MergeJob `release` of pull requests, with the Workflow `work`."""
    urls = [f"{team.url}/pull/{number}" for number in numbers]
    body = {"mode": mode, "pullRequests": urls, "workflowRef": {"name": "work"}, **spec}
    await team.create(MERGE_JOBS, "release", spec=body)


def outcomes(job: Json) -> list[tuple[int, str]]:
    """Return the number of each pull request with what became of it."""
    return [(source["number"], source["result"]) for source in job["status"]["sources"]]
