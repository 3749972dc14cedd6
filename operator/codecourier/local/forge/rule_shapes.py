"""Branch protection and the rules of rulesets in GitHub's shapes."""

from __future__ import annotations

from typing import Any

from codecourier.local.forge.forge import Forge
from codecourier.local.forge.merge_records import RuleSet
from codecourier.local.forge.records import Protection, Repository
from codecourier.local.forge.shapes import repository_url

__all__ = ["protection_shape", "rule_shapes"]


def protection_shape(forge: Forge, repository: Repository, rules: Protection) -> dict[str, Any]:
    """Return a branch's protection as `branch-protection`."""
    url = f"{repository_url(forge, repository)}/branches/{rules.branch}/protection"
    shape: dict[str, Any] = {
        "url": url,
        "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": True},
        "required_linear_history": {"enabled": rules.linear_history},
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
    if rules.required_approvals:
        shape["required_pull_request_reviews"] = {
            "url": f"{url}/required_pull_request_reviews",
            "dismiss_stale_reviews": False,
            "require_code_owner_reviews": False,
            "required_approving_review_count": rules.required_approvals,
            "require_last_push_approval": False,
        }
    return shape


def rule_shapes(repository: Repository, rules: RuleSet) -> list[dict[str, Any]]:
    """Return the rules of one ruleset as `repository-rule-detailed`."""
    source = {
        "ruleset_source_type": "Repository",
        "ruleset_source": repository.full_name,
        "ruleset_id": rules.id,
    }
    shapes: list[dict[str, Any]] = [{"type": "pull_request", "parameters": _pull_request(rules)}]
    if rules.required_checks:
        shapes.append({"type": "required_status_checks", "parameters": _required_status_checks(rules)})
    if rules.linear_history:
        shapes.append({"type": "required_linear_history"})
    if rules.merge_queue:
        shapes.append({"type": "merge_queue", "parameters": _merge_queue(rules.merge_queue)})
    return [{**shape, **source} for shape in shapes]


def _pull_request(rules: RuleSet) -> dict[str, Any]:
    return {
        "dismiss_stale_reviews_on_push": False,
        "require_code_owner_review": False,
        "require_last_push_approval": False,
        "required_approving_review_count": rules.required_approvals,
        "required_review_thread_resolution": False,
        "allowed_merge_methods": list(rules.merge_methods),
    }


def _required_status_checks(rules: RuleSet) -> dict[str, Any]:
    checks = [check.model_dump(exclude_none=True) for check in rules.required_checks]
    return {"strict_required_status_checks_policy": rules.strict, "required_status_checks": checks}


def _merge_queue(method: str) -> dict[str, Any]:
    return {
        "check_response_timeout_minutes": 60,
        "grouping_strategy": "ALLGREEN",
        "max_entries_to_build": 5,
        "max_entries_to_merge": 5,
        "merge_method": method.upper(),
        "min_entries_to_merge": 1,
        "min_entries_to_merge_wait_minutes": 5,
    }
