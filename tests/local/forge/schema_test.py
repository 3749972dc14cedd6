"""Every kind of answer of the forge fits GitHub's published description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.forge import Answer, ForgeRepository, assertion
from tests.support.github_schema import ENDPOINTS, described_operations, operation_key, problems

pytestmark = pytest.mark.forge


class Session:
    """Sends requests and collects where their answers differ from the description."""

    def __init__(self, repository: ForgeRepository) -> None:
        self.repository = repository
        granted = {
            "contents": "write",
            "pull_requests": "write",
            "checks": "write",
            "statuses": "write",
            "issues": "write",
        }
        installation = repository.control.install_app(repository.owner, granted)  # type: ignore[arg-type]
        self.installation = installation
        self.app = assertion(repository.forge)
        self.token = repository.app_token(installation)
        self.person = repository.token()
        self.seen: set[str] = set()
        self.problems: list[str] = []

    def call(self, route: str, *parts: object, body: Any = None, token: str | None = None) -> Answer:
        """Send one request; `{}` in the route takes the parts in turn, `~` is the repository."""
        method, _, path = route.partition(" ")
        sent = path.replace("~", f"/repos/{self.repository.full_name}", 1).format(*parts)
        authorization = f"Bearer {token or self.token}"
        answer = self.repository.forge.request(method, f"/api/v3{sent}", authorization=authorization, body=body)
        key = operation_key(method, path.replace("~", "/repos/{}/{}", 1).partition("?")[0])
        self.seen.add(key)
        self.problems += problems(key, answer.status, answer.body)
        return answer

    def good(self, route: str, *parts: object, body: Any = None, token: str | None = None) -> Any:
        """Send one request that must succeed, and return its body."""
        answer = self.call(route, *parts, body=body, token=token)
        assert answer.status < 300, (route, answer)
        return answer.body


def accounts(session: Session) -> None:
    session.good("GET /rate_limit")
    session.good("GET ~/installation", token=session.app)
    narrowed = {"repository_ids": [session.repository.id], "permissions": {"contents": "read"}}
    mint = "POST /app/installations/{}/access_tokens"
    made = session.good(mint, session.installation, body=narrowed, token=session.app)
    session.good("DELETE /installation/token", token=made["token"])
    for body, token in (({"repositories": ["none"]}, session.app), ({}, "unknown")):
        assert session.call(mint, session.installation, body=body, token=token).status in {401, 422}


def repositories(session: Session) -> None:
    control, name = session.repository.control, session.repository.full_name
    session.good("GET ~")
    session.good("GET ~/branches")
    session.good("GET ~/branches/{}", "main")
    session.repository.branch("kept")
    control.protect(name, "kept", required_checks=["build"], strict=True, required_approvals=1)
    for path in ("branches/{}", "branches/{}/protection", "branches/{}/protection/required_status_checks"):
        session.good(f"GET ~/{path}", "kept", token=session.person)
    control.add_rules(
        name, "kept", required_checks=["build", ("lint", 15368)], linear_history=True, merge_queue="merge"
    )
    assert len(session.good("GET ~/rules/branches/{}", "kept")) == 4
    session.good("POST ~/git/refs", body={"ref": "refs/heads/topic", "sha": session.repository.sha})
    session.good("GET ~/git/ref/{}", "heads/topic")
    session.good("PATCH ~/git/refs/{}", "heads/topic", body={"sha": session.repository.sha})
    session.good("DELETE ~/git/refs/{}", "heads/topic")
    assert session.call("DELETE ~/git/refs/{}", "heads/topic").status == 422
    assert session.call("GET ~/branches/{}", "missing").status == 404


def commits(session: Session) -> None:
    sha = session.repository.sha
    session.good("POST ~/statuses/{}", sha, body={"state": "success", "context": "build"})
    run = session.good("POST ~/check-runs", body={"name": "test", "head_sha": sha, "status": "queued"})
    session.good("PATCH ~/check-runs/{}", run["id"], body={"conclusion": "success"})
    for path in ("", "/status", "/check-runs", "/check-suites"):
        session.good(f"GET ~/commits/{{}}{path}", sha)
    session.good("GET ~/git/commits/{}", sha)
    assert session.call("GET ~/git/commits/{}", "0" * 40).status == 404
    assert session.call("GET ~/commits/{}/status", "missing").status == 422


def pulls(session: Session) -> None:
    session.repository.branch("work", {"README.md": None, "READ.md": "A small project.\n"})
    body = {"title": "Title", "head": "work", "base": "main"}
    session.good("POST ~/pulls", body=body)
    assert session.call("POST ~/pulls", body=body).status == 422
    session.good("GET ~/pulls?state=all")
    session.good("GET ~/pulls/{}", 1)
    session.good("PATCH ~/pulls/{}", 1, body={"title": "Other", "state": "closed"})
    assert session.call("PUT ~/pulls/{}/merge", 1, body={}).status == 405
    session.good("PATCH ~/pulls/{}", 1, body={"state": "open"})
    assert session.call("PUT ~/pulls/{}/merge", 1, body={"sha": "0" * 40}).status == 409
    session.good("PUT ~/pulls/{}/merge", 1, body={})
    session.good("GET ~/pulls/{}", 1)
    assert session.call("GET ~/pulls/{}", 99).status == 404


def merges(session: Session) -> None:
    control, name, path = session.repository.control, session.repository.full_name, "~/pulls/{}/merge-async"
    heads = [session.repository.branch(f"async-{number}") for number in range(2)]
    for number in range(2):
        body = {"title": "Title", "head": f"async-{number}", "base": "main"}
        session.good("POST ~/pulls", body=body)
    control.set_merging(name, holds_merges=True)
    asked = session.good(f"PUT {path}", 2, body={"sha": heads[0], "merge_method": "squash"})
    assert session.call(f"PUT {path}", 2).status == 409
    session.good(f"GET {path}/{{}}", 2, asked["details"]["uuid"])
    assert session.call("GET ~/pulls/{}/merge", 2).status == 404
    control.run_merges(name)
    session.good(f"GET {path}/{{}}", 2, asked["details"]["uuid"])
    session.good("GET ~/pulls/{}/merge", 2)
    session.good(f"PUT {path}", 2)
    session.good("PATCH ~/pulls/{}", 3, body={"state": "closed"})
    assert session.call(f"PUT {path}", 3).status == 400
    assert session.call(f"PUT {path}", 3, body={"merge_action": "now"}).status == 422
    assert session.call(f"GET {path}/{{}}", 3, "none").status == 404
    control.set_merging(name, holds_merges=False)


def stacks(session: Session) -> None:
    session.repository.branch("lower")
    session.repository.branch("upper", {"upper.txt": "upper\n"})
    made = [
        session.good("POST ~/pulls", body={"title": "Title", "head": head, "base": base})["number"]
        for head, base in (("lower", "main"), ("upper", "lower"))
    ]
    stack = session.good("POST ~/stacks", body={"pull_requests": made})
    assert session.call("POST ~/stacks", body={"pull_requests": made}).status == 422
    session.good("GET ~/stacks")
    session.good("GET ~/stacks/{}", stack["number"])
    assert session.good("GET ~/pulls/{}", made[1])["stack"]["position"] == 2
    assert session.call("GET ~/stacks/{}", 99).status == 404


def reviews(session: Session) -> None:
    control, name = session.repository.control, session.repository.full_name
    comments = [{"path": "README.md", "line": 1, "body": "Why?"}]
    session.good("POST ~/pulls/{}/reviews", 1, body={"event": "COMMENT", "body": "Text", "comments": comments})
    session.good("GET ~/pulls/{}/reviews", 1)
    session.good("GET ~/pulls/{}/comments", 1)
    control.set_collaborator(name, "bob", "write")
    session.good("GET ~/collaborators/{}/permission", "bob")
    assert session.call("POST ~/pulls/{}/reviews", 1, body={"event": "x"}).status == 422


def issues(session: Session) -> None:
    control, name = session.repository.control, session.repository.full_name
    number = control.create_issue(name, login=None, body=None)
    made = session.good("POST ~/issues/{}/comments", number, body={"body": "Text"})
    session.good("GET ~/issues/{}", number)
    session.good("GET ~/issues/{}", 1)
    session.good("GET ~/issues/{}/comments", number)
    session.good("GET ~/issues/comments/{}", made["id"])
    session.good("PATCH ~/issues/comments/{}", made["id"], body={"body": "Other"})
    assert session.call("POST ~/issues/{}/comments", number, body={}).status == 422
    control.change_issue(name, number, locked=True)
    assert session.call("POST ~/issues/{}/comments", number, body={"body": "Text"}).status == 403
    session.good("DELETE ~/issues/comments/{}", made["id"])
    other = control.create_repository(f"{session.repository.owner}/moved", {"a.txt": "a\n"})
    control.transfer_issue(name, number, other.full_name)
    assert session.call("GET ~/issues/{}", number).status == 301
    control.delete_issue(name, control.create_issue(name))
    assert session.call("GET ~/issues/{}", number + 1).status == 410
    assert session.call("GET ~/issues/{}", 99).status == 404


PARTS: tuple[Callable[[Session], None], ...] = (accounts, repositories, commits, pulls, merges, reviews, issues, stacks)


def test_every_answer_fits(repository: ForgeRepository) -> None:
    session = Session(repository)
    for part in PARTS:
        part(session)
    assert session.problems == []
    every = {operation_key(endpoint.method, endpoint.path.replace(":path", "")) for endpoint in ENDPOINTS}
    assert session.seen == every
    assert every <= described_operations().keys()


def test_difference_is_found() -> None:
    found = problems("GET /repos/{}/{}/git/ref/{}", 200, {"ref": "refs/heads/main", "object": {"type": 1}})
    assert len(found) >= 3
