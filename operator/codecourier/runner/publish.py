"""The last step: makes the commit and pushes it.

Runs with a token that can write and never sees the workspace: its input is the pack of blobs, the manifest and the
details that collect left, and it trusts none of them. Unchanged paths come from the start commit, not from the
manifest.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from codecourier.runner.git import Git, Remote
from codecourier.runner.history import Tip, classify_tip
from codecourier.runner.manifest import (
    DETAILS_FILE,
    GITLINK_MODE,
    LINK_MODE,
    MANIFEST_FILE,
    MANIFEST_MAX_BYTES,
    PACK_FILE,
    BaseEntry,
    Manifest,
    Start,
    parse_listing,
)
from codecourier.runner.message import build_message, split_summary
from codecourier.runner.paths import PathError, check_path, find_collision, is_ci_path
from codecourier.runner.remote import PushOutcome, Repository
from codecourier.runner.step import Context, StepError, describe, exit_code, load_context, one_line, terminate
from codecourier.task import (
    CONTAINER_AGENT,
    DETAILS_MAX_BYTES,
    LAYOUT,
    ROOT_ENV,
    Details,
    Layout,
    Publication,
    PublishResult,
    Task,
    TaskError,
    frame_details,
)

__all__ = ["publish"]

_UNCERTAIN = frozenset({"ForgeUnavailable", "RateLimited"})
"""Reasons after which the push may still have been done."""

_ADOPTED_REF = "refs/codecourier/adopted"


@dataclass(frozen=True)
class _Work:
    """What there is to publish."""

    task: Task
    start: Start
    manifest: Manifest
    pack: Path
    details: Details
    git: Git
    repository: Repository


def publish(context: Context, details: Details) -> PublishResult:
    """Make and push the commit.

    Returns
    -------
    PublishResult
        Without the fields that come from the details.

    Raises
    ------
    StepError
        If nothing could be pushed.
    """
    layout, task = context.layout, context.task
    git = Git(layout.courier)
    work = _Work(
        task=task,
        start=Start.read(layout.courier),
        manifest=Manifest.from_json(_read(layout.outbox, MANIFEST_FILE, MANIFEST_MAX_BYTES)),
        pack=Path(layout.outbox, PACK_FILE),
        details=details,
        git=git,
        repository=Repository(git, Remote(task.repository_url, layout.token_file, layout.ca_file)),
    )
    if not work.manifest.changes and not work.manifest.deleted:
        return _without_change(work)
    base = parse_listing(git.run("ls-tree", "-r", "-l", "-z", "--full-tree", work.start.commit))
    _check_manifest(work, base)
    _import_pack(work, base)
    commit = _commit(work, _write_tree(work))
    _check_objects(work, commit)
    return _push(work, commit)


def _without_change(work: _Work) -> PublishResult:
    title, _ = split_summary(work.details.summary, work.task.default_title)
    if work.start.commit == work.task.base_commit:
        return PublishResult(Publication.NO_CHANGE, "NoChange", "The agent changed nothing.", title=title)
    return _pushed(work, work.start.commit, "Continued", "This try added nothing to the work of an earlier one.")


def _check_manifest(work: _Work, base: dict[bytes, BaseEntry]) -> None:
    """Apply collect's rules again: collect runs as the agent's user, publish holds the token."""
    deleted = [os.fsencode(path) for path in work.manifest.deleted]
    changes = work.manifest.changes
    limits = work.task.limits
    if len(changes) + len(deleted) > limits.max_files:
        raise _invalid("names too many files")
    if sum(change.size for change in changes) > limits.max_total_bytes:
        raise _invalid("holds too many bytes")
    for change in changes:
        try:
            check_path(os.fsencode(change.path), is_link=change.mode == LINK_MODE)
        except PathError as error:
            raise _invalid(f"names a path that cannot be pushed: {error}") from None
    changed = [os.fsencode(change.path) for change in changes]
    gitlinks = {path for path, entry in base.items() if entry.mode == GITLINK_MODE}
    if not base.keys() >= set(deleted) or not gitlinks.isdisjoint([*changed, *deleted]):
        raise _invalid("deletes what is not there, or touches a submodule")
    if find_collision({*base, *changed} - {*deleted}, set(changed) - base.keys()):
        raise _invalid("names paths that differ by case only")
    _check_ci_paths(work, [*changed, *deleted])


def _check_ci_paths(work: _Work, paths: list[bytes]) -> None:
    if not work.task.allow_ci_paths and any(map(is_ci_path, paths)):
        raise _invalid("changes files that steer CI, which this Workflow may not")


def _import_pack(work: _Work, base: dict[bytes, BaseEntry]) -> None:
    """Take the blobs in, and only the blobs that the manifest names."""
    known = {entry.oid for entry in base.values()}
    expected = {change.oid: change.size for change in work.manifest.changes if change.oid not in known}
    if not expected:
        return
    limit = f"--max-input-size={work.task.max_pack_bytes}"
    name = work.git.run("index-pack", "--strict", "--stdin", limit, stdin=work.pack).split()[-1].decode("ascii")
    index = Path(work.git.git_dir, "objects", "pack", f"pack-{name}.idx")
    listed = work.git.run("show-index", f"--object-format={work.task.object_format}", stdin=index)
    packed = {line.split()[1].decode("ascii") for line in listed.splitlines()}
    if packed != expected.keys():
        raise _invalid("and the pack differ in their objects")
    query = "".join(f"{oid}\n" for oid in expected).encode()
    answer = work.git.text("cat-file", "--batch-check", stdin=query)
    if answer.split("\n") != [f"{oid} blob {size}" for oid, size in expected.items()]:
        raise _invalid("and the pack differ in types or sizes")


def _write_tree(work: _Work) -> str:
    """Apply the changes to the start commit's tree, in an index of our own."""
    index = {"GIT_INDEX_FILE": str(Path(work.git.git_dir, "codecourier-index"))}
    work.git.run("read-tree", work.start.commit, environment=index)
    empty = "0" * len(work.start.commit)
    # Deletions first: a file may have become a folder.
    lines = [f"0 {empty}\t{path}\0" for path in work.manifest.deleted]
    lines += [f"{change.mode} {change.oid}\t{change.path}\0" for change in work.manifest.changes]
    data = os.fsencode("".join(lines))
    work.git.run("update-index", "--add", "--replace", "-z", "--index-info", stdin=data, environment=index)
    return work.git.run("write-tree", environment=index).decode("ascii").strip()


def _commit(work: _Work, tree: str) -> str:
    title, body = split_summary(work.details.summary, work.task.default_title)
    author = work.task.commit_author
    parent_time = int(work.git.text("show", "--no-patch", "--format=%ct", work.start.commit))
    date = f"{max(int(time.time()), parent_time)} +0000"
    identity: dict[str, str] = {}
    for role in ("AUTHOR", "COMMITTER"):
        identity |= {f"GIT_{role}_NAME": author.name, f"GIT_{role}_EMAIL": author.email, f"GIT_{role}_DATE": date}
    message = build_message(work.task, title, body).encode()
    output = work.git.run("commit-tree", tree, "-p", work.start.commit, stdin=message, environment=identity)
    return output.decode("ascii").strip()


def _check_objects(work: _Work, commit: str) -> None:
    """Check the commit as the forge will: it changes exactly the manifest's paths, and fsck accepts it."""
    output = work.git.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", work.start.commit, commit)
    paths = {path for path in output.split(b"\0") if path}
    named = {*(change.path for change in work.manifest.changes), *work.manifest.deleted}
    if paths != {os.fsencode(path) for path in named}:
        raise _invalid("differs from the commit that it makes")
    _check_ci_paths(work, sorted(paths))
    revisions = f"{commit}\n^{work.start.commit}\n".encode()
    prefix = f"{work.git.git_dir}/codecourier-check"
    name = work.git.run("pack-objects", "--quiet", "--revs", prefix, stdin=revisions).decode("ascii").strip()
    work.git.run("index-pack", "--strict", "-o", f"{prefix}.idx", f"{prefix}-{name}.pack")


def _push(work: _Work, commit: str) -> PublishResult:
    branch = work.task.branch
    lost: StepError | None = None
    words = ""
    try:
        result = work.repository.push(commit, branch, work.start.branch_tip)
    except StepError as error:
        if error.reason not in _UNCERTAIN:
            raise
        lost = error
    else:
        if result.outcome is PushOutcome.DONE:
            return _pushed(work, commit, "Pushed", f"Pushed {commit}.")
        if result.outcome is PushOutcome.REFUSED:
            raise StepError("PushRefused", f"The forge refused the push to {branch!r}: {result.words}")
        words = result.words
    tip = _read_tip(work, lost)
    if tip == commit:
        return _pushed(work, commit, "Pushed", f"Pushed {commit}.")
    if lost is not None:
        raise lost
    return _adopt(work, tip, words)


def _read_tip(work: _Work, lost: StepError | None) -> str | None:
    """Read the branch's tip after a push whose answer was lost or was a conflict."""
    try:
        return work.repository.heads(work.task.branch).get(work.task.branch)
    except StepError as error:
        raise lost or error from None


def _adopt(work: _Work, tip: str | None, words: str) -> PublishResult:
    """Adopt what another try of this run pushed in the meantime."""
    if tip is not None:
        work.repository.fetch(f"+{tip}:{_ADOPTED_REF}")
        if classify_tip(work.git, work.task, tip) is Tip.OURS:
            return _pushed(work, tip, "Adopted", "Another try of this run had pushed its work already.")
    raise StepError(
        "PushRejected",
        f"Branch {work.task.branch!r} was changed by another push meanwhile (now {tip or 'gone'}): {words}",
    )


def _pushed(work: _Work, commit: str, reason: str, message: str) -> PublishResult:
    """Describe the work between the base commit and the tip."""
    output = work.git.run(
        "diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", work.task.base_commit, commit
    )
    numbers = [line.split(b"\t")[:2] for line in output.split(b"\0") if line]
    title = work.git.text("show", "--no-patch", "--format=%s", commit)
    return PublishResult(
        Publication.PUSHED,
        reason,
        message,
        commit=commit,
        title=title,
        files=len(numbers),
        insertions=sum(int(added) for added, _ in numbers if added != b"-"),
        deletions=sum(int(removed) for _, removed in numbers if removed != b"-"),
    )


def _invalid(what: str) -> StepError:
    return StepError("OutboxInvalid", f"The manifest of the work {what}; nothing was pushed.")


def _read(outbox: str, name: str, maximum: int) -> bytes:
    descriptor = os.open(Path(outbox, name), os.O_RDONLY | os.O_NOFOLLOW)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor that followed no link
        content = file.read(maximum + 1)
    if len(content) > maximum:
        raise _invalid(f"is beside a {name} that is too large")
    return content


def _with_agent(result: PublishResult, details: Details, digest: str) -> PublishResult:
    agent = next((step for step in details.steps if step.step == CONTAINER_AGENT), None)
    if agent is not None:
        result = replace(
            result,
            agent_state=agent.state,
            agent_reason=agent.reason,
            agent_exit_code=agent.exit_code,
            retry_after_seconds=result.retry_after_seconds or agent.retry_after_seconds,
        )
    return replace(result, details_digest=digest)


def _run(layout: Layout) -> PublishResult:
    details, digest = None, ""
    try:
        context = load_context(layout)
        details = Details.from_json(_read(layout.outbox, DETAILS_FILE, DETAILS_MAX_BYTES))
        line, digest = frame_details(details)
        print(line, flush=True)  # noqa: T201 - the operator reads it from the log
        result = publish(context, details)
    except StepError as error:
        result = PublishResult(
            Publication.FAILED, error.reason, error.message, retry_after_seconds=error.retry_after_seconds
        )
    except TaskError as error:
        result = PublishResult(Publication.FAILED, "OutboxInvalid", str(error))
    except OSError as error:
        result = PublishResult(Publication.FAILED, "SystemError", describe(error))
    return result if details is None else _with_agent(result, details, digest)


def main() -> int:
    """Run the step; return its exit code, 0 only if nothing is left to push."""
    os.umask(0o002)
    signal.signal(signal.SIGTERM, terminate)
    layout = Layout(os.environ.get(ROOT_ENV, LAYOUT.root))
    result = _run(layout)
    Path(layout.termination_log).write_text(result.to_json(), encoding="utf-8")
    print(f"publish: {result.reason}: {one_line(result.message, 1000)}", file=sys.stderr, flush=True)  # noqa: T201 - the container's log
    return exit_code(result.reason, has_succeeded=result.state is not Publication.FAILED)


if __name__ == "__main__":
    sys.exit(main())
