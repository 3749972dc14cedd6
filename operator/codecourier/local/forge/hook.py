"""The hooks of every repository: run by git with the standard library only, in isolated mode.

The forge decided what is allowed when the request came in, and passes it in the environment. A refusal goes to standard
error, for the user, and to the file that the forge names, for the client's status line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["LOGIN_VARIABLE", "POLICY_VARIABLE", "PROGRAM_VARIABLE", "PYTHON_VARIABLE", "REASONS_VARIABLE", "main"]

POLICY_VARIABLE = "FORGE_POLICY"
"""JSON object: `refusal` (text or null), `workflows` (bool), `holder`, `protected` (rules by full ref name)."""

REASONS_VARIABLE = "FORGE_REASONS"
"""A file for lines `<ref> <reason>`."""

LOGIN_VARIABLE = "FORGE_LOGIN"
"""The login that pushes."""

PYTHON_VARIABLE = "FORGE_PYTHON"
"""The interpreter of this program."""

PROGRAM_VARIABLE = "FORGE_HOOK"
"""The path of this program."""

_NO_SHA = "0" * 40


def main(arguments: list[str]) -> int:
    """Decide about a push; arguments are a hook's name and what git gives it."""
    policy = json.loads(os.environ[POLICY_VARIABLE])
    if arguments[0] == "pre-receive":
        return _refuse_all(policy)
    ref, old, new = arguments[1:]
    refusal = _protection_refusal(policy, ref, old, new) or _workflow_refusal(policy, new)
    if refusal is None:
        return 0
    explanation, reason = refusal
    sys.stderr.write(explanation)
    _give_reason(ref, reason)
    return 1


def _refuse_all(policy: dict[str, Any]) -> int:
    if policy["refusal"] is None:
        return 0
    sys.stderr.write(f"{policy['refusal']}\n")
    return 1


def _protection_refusal(policy: dict[str, Any], ref: str, old: str, new: str) -> tuple[str, str] | None:
    rules = policy["protected"].get(ref)
    if rules is None:
        return None
    if new == _NO_SHA:
        problem = None if rules["allow_deletions"] else "Cannot delete this protected branch"
    elif old != _NO_SHA and not _is_ancestor(old, new):
        problem = None if rules["allow_force_pushes"] else "Cannot force-push to this protected branch"
    else:
        problem = None if rules["allow_pushes"] else "Changes must be made through a pull request."
    if problem is None:
        return None
    explanation = f"error: GH006: Protected branch update failed for {ref}.\n\n- {problem}\n"
    return explanation, "protected branch hook declined"


def _workflow_refusal(policy: dict[str, Any], new: str) -> tuple[str, str] | None:
    if policy["workflows"] or new == _NO_SHA:
        return None
    path = _changed_workflow(new)
    if path is None:
        return None
    if policy["holder"] == "installation":
        holder, permission = "a GitHub App", "`workflows` permission"
    else:
        holder, permission = "a Personal Access Token", "`workflow` scope"
    reason = f"refusing to allow {holder} to create or update workflow `{path}` without {permission}"
    return f"{reason}\n", reason


def _changed_workflow(new: str) -> str | None:
    """Return a workflow file that a commit not yet in the repository changes, or None."""
    commits = _git("rev-list", new, "--not", "--all").split()
    for commit in commits:
        changed = _git(
            "diff-tree", "-r", "-c", "--root", "--no-renames", "--name-only", "-z", "--no-commit-id", commit,
            "--", ".github/workflows",
        )  # fmt: skip
        if changed:
            return changed.split("\0", 1)[0]
    return None


def _is_ancestor(old: str, new: str) -> bool:
    return subprocess.run(["git", "merge-base", "--is-ancestor", old, new], check=False).returncode == 0


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def _give_reason(ref: str, reason: str) -> None:
    with Path(os.environ[REASONS_VARIABLE]).open("a", encoding="utf-8") as reasons:
        reasons.write(f"{ref} {reason}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
