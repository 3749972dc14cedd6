"""The forge's answers in GitHub's shapes, with every field that GitHub's published description requires."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any, overload

from codecourier.local.forge.forge import Forge
from codecourier.local.forge.gates import find_protection
from codecourier.local.forge.git import Commit, Signature
from codecourier.local.forge.pulls import is_mergeable
from codecourier.local.forge.records import Installation, Pull, Repository

__all__ = [
    "branch_shape",
    "commit_shape",
    "installation_shape",
    "node_id",
    "pull_shape",
    "ref_shape",
    "repository_shape",
    "repository_url",
    "short_branch_shape",
    "short_pull_shape",
    "signature_shape",
    "stamp",
    "user_shape",
]

_FORK = 10**9
"""What the number of a fork is greater by than that of its parent."""

_TEMPLATES = {
    "archive_url": "{archive_format}{/ref}",
    "assignees_url": "assignees{/user}",
    "blobs_url": "git/blobs{/sha}",
    "branches_url": "branches{/branch}",
    "collaborators_url": "collaborators{/collaborator}",
    "comments_url": "comments{/number}",
    "commits_url": "commits{/sha}",
    "compare_url": "compare/{base}...{head}",
    "contents_url": "contents/{+path}",
    "contributors_url": "contributors",
    "deployments_url": "deployments",
    "downloads_url": "downloads",
    "events_url": "events",
    "forks_url": "forks",
    "git_commits_url": "git/commits{/sha}",
    "git_refs_url": "git/refs{/sha}",
    "git_tags_url": "git/tags{/sha}",
    "hooks_url": "hooks",
    "issue_comment_url": "issues/comments{/number}",
    "issue_events_url": "issues/events{/number}",
    "issues_url": "issues{/number}",
    "keys_url": "keys{/key_id}",
    "labels_url": "labels{/name}",
    "languages_url": "languages",
    "merges_url": "merges",
    "milestones_url": "milestones{/number}",
    "notifications_url": "notifications{?since,all,participating}",
    "pulls_url": "pulls{/number}",
    "releases_url": "releases{/id}",
    "stargazers_url": "stargazers",
    "statuses_url": "statuses/{sha}",
    "subscribers_url": "subscribers",
    "subscription_url": "subscription",
    "tags_url": "tags",
    "teams_url": "teams",
    "trees_url": "git/trees{/sha}",
}

_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("description", "homepage", "language", "license", "mirror_url")),
    **dict.fromkeys(("archived", "disabled", "fork", "has_discussions", "has_downloads"), False),
    **dict.fromkeys(("has_pages", "has_projects", "has_wiki"), False),
    **dict.fromkeys(("forks", "forks_count", "network_count", "size", "stargazers_count"), 0),
    **dict.fromkeys(("subscribers_count", "watchers", "watchers_count"), 0),
}


def node_id(kind: str, number: int | str) -> str:
    """Return a global id."""
    return base64.urlsafe_b64encode(f"{kind}:{number}".encode()).decode()


@overload
def stamp(time: datetime) -> str: ...
@overload
def stamp(time: None) -> None: ...
def stamp(time: datetime | None) -> str | None:
    """Return a moment as the API writes it."""
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%SZ")


def user_shape(forge: Forge, login: str) -> dict[str, Any]:
    """Return an account as `simple-user`."""
    user = forge.repositories.user(login)
    url = f"{forge.api_url}/users/{login}"
    return {
        "login": login,
        "id": user.id,
        "node_id": node_id("User", user.id),
        "avatar_url": f"{forge.base_url}/avatars/{user.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{forge.base_url}/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": "Bot" if user.is_bot else "User",
        "site_admin": False,
    }


def installation_shape(forge: Forge, installation: Installation) -> dict[str, Any]:
    """Return an installation of the App as `installation`."""
    account = user_shape(forge, installation.account)
    created = stamp(installation.created_at)
    return {
        "id": installation.id,
        "account": account,
        "repository_selection": "all" if installation.repository_ids is None else "selected",
        "access_tokens_url": f"{forge.api_url}/app/installations/{installation.id}/access_tokens",
        "repositories_url": f"{forge.api_url}/installation/repositories",
        "html_url": f"{forge.base_url}/settings/installations/{installation.id}",
        "app_id": forge.app.id,
        "app_slug": forge.app.slug,
        "target_id": account["id"],
        "target_type": account["type"],
        "permissions": {**installation.permissions, "metadata": "read"},
        "events": [],
        "created_at": created,
        "updated_at": created,
        "single_file_name": None,
        "suspended_by": None,
        "suspended_at": None,
    }


def repository_url(forge: Forge, repository: Repository) -> str:
    """Return a repository's address in the API."""
    return f"{forge.api_url}/repos/{repository.full_name}"


def repository_shape(forge: Forge, repository: Repository) -> dict[str, Any]:
    """Return a repository as `full-repository`, which is a `repository` and a `minimal-repository` too."""
    url, html_url = repository_url(forge, repository), f"{forge.base_url}/{repository.full_name}"
    open_pulls = [pull for pull in forge.store.of_repository(Pull, repository.id) if pull.state == "open"]
    created = stamp(repository.created_at)
    return {
        **_CONSTANTS,
        **{name: f"{url}/{template}" for name, template in _TEMPLATES.items()},
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "owner": user_shape(forge, repository.owner),
        "private": repository.private,
        "html_url": html_url,
        "url": url,
        "git_url": f"{html_url}.git",
        "ssh_url": f"{html_url}.git",
        "clone_url": f"{html_url}.git",
        "svn_url": html_url,
        "default_branch": repository.default_branch,
        "has_issues": repository.has_issues,
        "allow_merge_commit": repository.allow_merge_commit,
        "allow_squash_merge": repository.allow_squash_merge,
        "allow_rebase_merge": repository.allow_rebase_merge,
        "delete_branch_on_merge": repository.delete_branch_on_merge,
        "open_issues": len(open_pulls),
        "open_issues_count": len(open_pulls),
        "created_at": created,
        "updated_at": created,
        "pushed_at": created,
    }


def ref_shape(forge: Forge, repository: Repository, name: str, sha: str, object_type: str) -> dict[str, Any]:
    """Return a ref as `git-ref`."""
    url = repository_url(forge, repository)
    return {
        "ref": name,
        "node_id": node_id("Ref", f"{repository.id}:{name}"),
        "url": f"{url}/git/{name}",
        "object": {"type": object_type, "sha": sha, "url": f"{url}/git/{object_type}s/{sha}"},
    }


def short_branch_shape(forge: Forge, repository: Repository, name: str, sha: str) -> dict[str, Any]:
    """Return a branch of a list as `short-branch`."""
    url = repository_url(forge, repository)
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{url}/commits/{sha}"},
        "protected": find_protection(forge.store, repository, name) is not None,
    }


def branch_shape(forge: Forge, repository: Repository, name: str, sha: str) -> dict[str, Any]:
    """Return one branch as `branch-with-protection`."""
    url = f"{repository_url(forge, repository)}/branches/{name}"
    rules = find_protection(forge.store, repository, name)
    checks = list(rules.required_checks) if rules else []
    return {
        "name": name,
        "commit": commit_shape(forge, repository, forge.repositories.git(repository).commit(sha)),
        "_links": {"self": url, "html": f"{forge.base_url}/{repository.full_name}/tree/{name}"},
        "protected": rules is not None,
        "protection": {
            "enabled": rules is not None,
            "required_status_checks": {
                "enforcement_level": "everyone" if checks else "off",
                "contexts": checks,
                "checks": [{"context": name, "app_id": None} for name in checks],
            },
        },
        "protection_url": f"{url}/protection",
    }


def signature_shape(signature: Signature) -> dict[str, str]:
    """Return an author or committer of a commit."""
    return {"name": signature.name, "email": signature.email, "date": signature.date}


def commit_shape(forge: Forge, repository: Repository, commit: Commit) -> dict[str, Any]:
    """Return a commit as `commit`."""
    url, html_url = repository_url(forge, repository), f"{forge.base_url}/{repository.full_name}"
    return {
        "url": f"{url}/commits/{commit.sha}",
        "sha": commit.sha,
        "node_id": node_id("Commit", commit.sha),
        "html_url": f"{html_url}/commit/{commit.sha}",
        "comments_url": f"{url}/commits/{commit.sha}/comments",
        "commit": {
            "url": f"{url}/git/commits/{commit.sha}",
            "author": signature_shape(commit.author),
            "committer": signature_shape(commit.committer),
            "message": commit.message,
            "comment_count": 0,
            "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
        },
        "author": None,
        "committer": None,
        "parents": [
            {"sha": parent, "url": f"{url}/commits/{parent}", "html_url": f"{html_url}/commit/{parent}"}
            for parent in commit.parents
        ],
    }


def short_pull_shape(forge: Forge, repository: Repository, pull: Pull) -> dict[str, Any]:
    """Return a pull request of a list as `pull-request-simple`."""
    url = repository_url(forge, repository)
    html_url = f"{forge.base_url}/{repository.full_name}/pull/{pull.number}"
    repository_json = repository_shape(forge, repository)
    return {
        **_addresses(url, html_url, pull),
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": user_shape(forge, pull.login),
        "body": pull.body,
        "labels": [],
        "milestone": None,
        "assignee": None,
        "created_at": stamp(pull.created_at),
        "updated_at": stamp(pull.updated_at),
        "closed_at": stamp(pull.closed_at),
        "merged_at": stamp(pull.merged_at),
        "merge_commit_sha": pull.merge_commit_sha,
        "draft": pull.draft,
        "author_association": "COLLABORATOR",
        "auto_merge": None,
        "stack": _stack(forge, repository, pull),
        "head": _head(forge, repository, repository_json, pull),
        "base": _end(repository, repository_json, pull.base_ref, pull.base_sha),
    }


def _stack(forge: Forge, repository: Repository, pull: Pull) -> dict[str, Any] | None:
    """Return the place of a pull request in its stack as `pull-request-stack`."""
    stack = forge.stacks.find(repository, pull.number)
    if stack is None:
        return None
    base = forge.repositories.git(repository).ref(f"refs/heads/{stack.base_ref}") or pull.base_sha
    return {
        "base": {"ref": stack.base_ref, "sha": base},
        "size": len(stack.pulls),
        "position": stack.pulls.index(pull.number) + 1,
        "id": stack.id,
        "number": stack.number,
    }


def pull_shape(forge: Forge, repository: Repository, pull: Pull) -> dict[str, Any]:
    """Return one pull request as `pull-request`."""
    git = forge.repositories.git(repository)
    fork_point = git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
    additions, deletions, files = git.count_changes(fork_point, pull.head_sha)
    mergeable = is_mergeable(git, pull) if pull.state == "open" else None
    return {
        **short_pull_shape(forge, repository, pull),
        "merged": pull.merged_at is not None,
        "merged_by": user_shape(forge, pull.merged_by) if pull.merged_by else None,
        "mergeable": mergeable,
        "mergeable_state": forge.gates.state(git, repository, pull, mergeable=bool(mergeable)),
        "maintainer_can_modify": False,
        "comments": 0,
        "review_comments": 0,
        "commits": int(git.text("rev-list", "--count", f"{fork_point}..{pull.head_sha}")),
        "additions": additions,
        "deletions": deletions,
        "changed_files": files,
    }


def _head(forge: Forge, repository: Repository, repository_json: dict[str, Any], pull: Pull) -> dict[str, Any]:
    head = _end(repository, repository_json, pull.head_ref, pull.head_sha)
    if pull.fork_owner is None:
        return head
    owner = user_shape(forge, pull.fork_owner)
    name = f"{pull.fork_owner}/{repository.name}"
    fork = {**repository_json, "id": repository.id + _FORK, "owner": owner, "full_name": name, "fork": True}
    return {**head, "label": f"{pull.fork_owner}:{pull.head_ref}", "user": owner, "repo": fork}


def _end(repository: Repository, repository_json: dict[str, Any], branch: str, sha: str) -> dict[str, Any]:
    return {
        "label": f"{repository.owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": repository_json["owner"],
        "repo": repository_json,
    }


def _addresses(url: str, html_url: str, pull: Pull) -> dict[str, Any]:
    pull_url, issue_url = f"{url}/pulls/{pull.number}", f"{url}/issues/{pull.number}"
    links = {
        "self": pull_url,
        "html": html_url,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{pull_url}/comments",
        "review_comment": f"{url}/pulls/comments{{/number}}",
        "commits": f"{pull_url}/commits",
        "statuses": f"{url}/statuses/{pull.head_sha}",
    }
    named = {f"{name}_url": link for name, link in links.items() if name not in {"self", "html"}}
    return {
        **named,
        "url": pull_url,
        "html_url": html_url,
        "diff_url": f"{html_url}.diff",
        "patch_url": f"{html_url}.patch",
        "_links": {name: {"href": link} for name, link in links.items()},
    }
