"""Makes repositories, with their hooks and their settings for pushes and fetches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.git import NO_SHA, BareRepository, Signature
from codecourier.local.forge.records import Repository, User, now
from codecourier.local.forge.settings import ForgeSettings
from codecourier.local.forge.store import ForgeStore

__all__ = ["Push", "RepositoryService"]

_DEFAULT_BRANCH = "main"

_CONFIGURATION = {
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "receive.hideRefs": "refs/pull",
    "receive.fsckObjects": "true",
    "receive.autogc": "false",
    "receive.advertisePushOptions": "true",
    "gc.auto": "0",
}
"""As GitHub: partial clones, fetches by SHA, refs of pull requests that take no push."""

_DECIDE = """#!/bin/sh
exec "$FORGE_PYTHON" -I -S "$FORGE_HOOK" {hook} "$@"
"""
"""The interpreter is given with each push: a repository may outlive the environment that it was made in."""

_POST_RECEIVE = """#!/bin/sh
while read -r old new ref; do
    printf '%s %s %s %s\\n' "$old" "$new" "$ref" "$FORGE_LOGIN" >> pushes.log
done
"""
"""One line for each ref that a push changed: the only place where pushes are counted.

It is written by the process that moved the ref, and answers to pushes go to a file first, so neither a client that
goes away nor the end of the forge can come between the two."""


@dataclass(frozen=True)
class Push:
    """A ref that was changed by a push."""

    ref: str
    old: str
    new: str
    login: str


class RepositoryService:
    """Finds and makes repositories."""

    def __init__(self, store: ForgeStore, settings: ForgeSettings) -> None:
        self._store = store
        self._settings = settings

    def find(self, owner: str, name: str) -> Repository | None:
        """Return a repository by its name in any case of letters, or None."""
        wanted = f"{owner}/{name}".lower()
        return next((found for found in self._store.all(Repository) if found.full_name.lower() == wanted), None)

    def find_former(self, owner: str, name: str) -> Repository | None:
        """Return the repository that had a name before, or None."""
        wanted = f"{owner}/{name}".lower()
        found = (found for found in self._store.all(Repository) if wanted in map(str.lower, found.former_names))
        return next(found, None)

    def rename(self, repository: Repository, name: str) -> Repository:
        """Give a repository another name.

        Raises
        ------
        RefusedError
            422 if the name is taken.
        """
        if self.find(repository.owner, name):
            raise RefusedError(422, f"name already exists on this account: {repository.owner}/{name}")
        former = (*repository.former_names, repository.full_name)
        renamed = repository.model_copy(update={"name": name, "former_names": former})
        self.git(repository).path.rename(self.git(renamed).path)
        self._store.write(renamed)
        return renamed

    def git(self, repository: Repository) -> BareRepository:
        """Return a repository's Git side."""
        return BareRepository(self._settings.repositories / repository.owner / f"{repository.name}.git")

    def user(self, login: str) -> User:
        """Return an account, making it when it is first named."""
        found = next((user for user in self._store.all(User) if user.login == login), None)
        if found is None:
            found = User(id=self._store.next_id(), login=login, is_bot=login.endswith("[bot]"))
            self._store.write(found)
        return found

    def create(self, owner: str, name: str, *, files: Mapping[str, bytes], private: bool) -> Repository:
        """Make a repository with one commit of the given files.

        Raises
        ------
        RefusedError
            422 if the name is taken.
        """
        if self.find(owner, name):
            raise RefusedError(422, f"name already exists on this account: {owner}/{name}")
        self.user(owner)
        repository = Repository(
            id=self._store.next_id(),
            owner=owner,
            name=name,
            private=private,
            default_branch=_DEFAULT_BRANCH,
            created_at=now(),
        )
        git = self.git(repository)
        self._initialize(git)
        self.commit_files(git, _DEFAULT_BRANCH, files, message="Initial commit", login=owner)
        self._store.write(repository)
        return repository

    def commit_files(
        self, git: BareRepository, branch: str, files: Mapping[str, bytes | None], *, message: str, login: str
    ) -> str:
        """Put a commit on a branch, new or not, and return its SHA.

        Content of None deletes the file; content that begins with `#!` makes it executable.
        """
        ref = f"refs/heads/{branch}"
        tip = git.ref(ref)
        tree = _write_tree(git, tip, files)
        author = Signature(login, f"{login}@users.noreply.forge.example", "")
        sha = git.commit_tree(tree, [tip] if tip else [], f"{message}\n", author, login)
        git.update_ref(ref, sha, old=tip)
        return sha

    def pushes(self, repository: Repository) -> list[Push]:
        """Return every ref change that a push made, oldest first."""
        log = self.git(repository).path / "pushes.log"
        if not log.exists():
            return []
        lines = [line.split(" ", 3) for line in log.read_text(encoding="utf-8").splitlines()]
        return [Push(ref=ref, old=old, new=new, login=login) for old, new, ref, login in lines]

    def _initialize(self, git: BareRepository) -> None:
        git.path.mkdir(parents=True, exist_ok=True)
        git.run("init", "--quiet", "--bare", f"--initial-branch={_DEFAULT_BRANCH}", "--template=", str(git.path))
        for key, value in _CONFIGURATION.items():
            git.run("config", key, value)
        hooks = git.path / "hooks"
        hooks.mkdir(exist_ok=True)
        scripts = {
            "pre-receive": _DECIDE.format(hook="pre-receive"),
            "update": _DECIDE.format(hook="update"),
            "post-receive": _POST_RECEIVE,
        }
        for name, script in scripts.items():
            (hooks / name).write_text(script, encoding="utf-8")
            (hooks / name).chmod(0o755)


def _write_tree(git: BareRepository, tip: str | None, files: Mapping[str, bytes | None]) -> str:
    index = git.path / "forge-index"
    variables = {"GIT_INDEX_FILE": str(index)}
    try:
        if tip:
            git.run("read-tree", tip, variables=variables)
        entries = "".join(_index_entry(git, path, content) for path, content in files.items())
        git.run("update-index", "-z", "--index-info", stdin=entries.encode(), variables=variables)
        return git.text("write-tree", variables=variables)
    finally:
        index.unlink(missing_ok=True)


def _index_entry(git: BareRepository, path: str, content: bytes | None) -> str:
    if content is None:
        return f"0 {NO_SHA}\t{path}\0"
    mode = "100755" if content.startswith(b"#!") else "100644"
    return f"{mode} {git.text('hash-object', '-w', '--stdin', stdin=content)}\t{path}\0"
