"""Repositories, refs and branches, in GitHub's shapes."""

from __future__ import annotations

from typing import Any

from codecourier.local.forge.forge import Forge
from codecourier.local.forge.merging import find_protection
from codecourier.local.forge.records import Protection, Pull, Repository
from codecourier.local.forge.shapes.accounts import node_id, stamp, user_shape
from codecourier.local.forge.shapes.commits import commit_shape

__all__ = ["branch_shape", "protection_shape", "ref_shape", "repository_shape", "repository_url", "short_branch_shape"]

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
    "fork": False,
    "forks": 0,
    "forks_count": 0,
    "stargazers_count": 0,
    "watchers": 0,
    "watchers_count": 0,
    "network_count": 0,
    "subscribers_count": 0,
    "size": 0,
    "has_issues": True,
    "has_projects": False,
    "has_wiki": False,
    "has_pages": False,
    "has_downloads": False,
    "has_discussions": False,
    "description": None,
    "homepage": None,
    "language": None,
    "license": None,
    "archived": False,
    "disabled": False,
    "mirror_url": None,
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


def protection_shape(forge: Forge, repository: Repository, rules: Protection) -> dict[str, Any]:
    """Return a branch's protection as `branch-protection`."""
    url = f"{repository_url(forge, repository)}/branches/{rules.branch}/protection"
    shape: dict[str, Any] = {
        "url": url,
        "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": True},
        "required_linear_history": {"enabled": False},
        "allow_force_pushes": {"enabled": rules.allow_force_pushes},
        "allow_deletions": {"enabled": rules.allow_deletions},
    }
    if rules.required_checks:
        shape["required_status_checks"] = {
            "url": f"{url}/required_status_checks",
            "strict": rules.strict,
            "contexts": list(rules.required_checks),
            "contexts_url": f"{url}/required_status_checks/contexts",
            "checks": [{"context": name, "app_id": None} for name in rules.required_checks],
        }
    return shape
