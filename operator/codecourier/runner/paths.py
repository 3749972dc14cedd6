"""Rules for the paths of what a sandbox pushes. Pure: the same rules hold in collect and again in publish."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

__all__ = ["PathError", "check_path", "find_collision", "is_ci_path", "is_dot_git", "resolves_inside"]

_PATH_MAX_BYTES = 4000
_NAME_MAX_BYTES = 255
_LINK_HOPS = 40

# Code points that HFS+ ignores in names, so that ``.g\u200cit`` is ``.git`` there.
_HFS_IGNORED = {*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF}
_DOT_GIT = re.compile(r"(\.git|git~\d+)")
_GIT_FILES = (".gitattributes", ".gitignore", ".gitmodules", ".mailmap")

_CI_NAMES = {".gitattributes", ".gitmodules", "codeowners"}
"""These steer CI or reviews in any folder."""

_CI_NAME_PREFIXES = re.compile(r"(gitatt|gi[0-9a-f]{4}|gitmod)~\d+")
"""Short names that NTFS gives to ``.gitattributes`` and ``.gitmodules``."""

_CI_FOLDERS = {
    ".azure-pipelines",
    ".buildkite",
    ".builds",
    ".circleci",
    ".codefresh",
    ".drone",
    ".forgejo",
    ".gitea",
    ".github",
    ".gitlab",
    ".harness",
    ".semaphore",
    ".teamcity",
    ".tekton",
    ".woodpecker",
}
_CI_ROOT_FILES = re.compile(
    r"\.appveyor\.ya?ml|appveyor\.ya?ml|azure-pipelines[^/]*\.ya?ml|bitbucket-pipelines\.ya?ml|\.build\.ya?ml"
    r"|buildspec\.ya?ml|\.cirrus\.(ya?ml|star)|cloudbuild\.(ya?ml|json)|codefresh\.ya?ml|\.drone\.(ya?ml|jsonnet|star)"
    r"|\.gitlab-ci[^/]*\.ya?ml|jenkinsfile[^/]*|\.pre-commit-config\.ya?ml|\.semaphoreci\.ya?ml|shippable\.ya?ml"
    r"|\.travis\.ya?ml|wercker\.ya?ml|\.woodpecker\.ya?ml"
)


class PathError(ValueError):
    """A path that must not be pushed; the message says why, without the path."""


def _fold(name: str) -> str:
    """Return the name that a lenient file system may take this one for."""
    kept = "".join(character for character in name if ord(character) not in _HFS_IGNORED)
    folded = unicodedata.normalize("NFKC", kept).casefold()
    # NTFS: a stream's name after the colon, dots and blanks at the end.
    return folded.partition(":")[0].rstrip(". ")


def is_dot_git(name: str) -> bool:
    """Whether some file system or git itself takes one name of a path for ``.git``."""
    return any(_DOT_GIT.fullmatch(_fold(part)) for part in name.split("\\"))


def check_path(path: bytes, *, is_link: bool = False) -> None:
    """Check the name of a file that the work adds or changes.

    Raises
    ------
    PathError
        If it cannot be pushed safely.
    """
    try:
        text = path.decode()
    except UnicodeDecodeError:
        raise PathError("its name is not UTF-8") from None
    if len(path) > _PATH_MAX_BYTES:
        raise PathError(f"its path is longer than {_PATH_MAX_BYTES} bytes")
    names = text.split("/")
    for name in names:
        if name in {"", ".", ".."}:
            raise PathError("its path is not a plain relative one")
        if any(unicodedata.category(character) == "Cc" for character in name):
            raise PathError("its name holds a control character")
        if len(name.encode()) > _NAME_MAX_BYTES:
            raise PathError(f"its name is longer than {_NAME_MAX_BYTES} bytes")
        if is_dot_git(name):
            raise PathError(f"{name!r} is .git in the eyes of some file system")
    if is_link and _fold(names[-1]) in _GIT_FILES:
        raise PathError("git does not follow a symbolic link in this place")


def is_ci_path(path: bytes) -> bool:
    """Whether a file steers CI, reviews or how git treats other files, in any spelling."""
    names = [_fold(name) for name in path.decode("utf-8", "replace").replace("\\", "/").split("/")]
    if any(name in _CI_NAMES or _CI_NAME_PREFIXES.fullmatch(name) for name in names):
        return True
    return names[0] in _CI_FOLDERS or _CI_ROOT_FILES.fullmatch(names[0]) is not None


def find_collision(paths: Iterable[bytes], added: Iterable[bytes]) -> tuple[str, str] | None:
    """Find a new path that some file system takes for another one.

    Parameters
    ----------
    paths
        All paths of the tree, the new ones included.
    added
        The new ones; collisions that the repository had before are allowed.

    Returns
    -------
    tuple or None
        The two spellings, or None if all differ by more than case and Unicode form.
    """
    spellings: dict[str, set[str]] = {}
    for path in paths:
        for prefix in _prefixes(path):
            spellings.setdefault(_fold_path(prefix), set()).add(prefix)
    for path in added:
        for prefix in _prefixes(path):
            if others := sorted(spellings[_fold_path(prefix)] - {prefix}):
                return prefix, others[0]
    return None


def _prefixes(path: bytes) -> list[str]:
    names = path.decode("utf-8", "surrogateescape").split("/")
    return ["/".join(names[: count + 1]) for count in range(len(names))]


def _fold_path(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def resolves_inside(path: bytes, links: Mapping[bytes, bytes]) -> bool:
    """Whether a symbolic link stays within the tree, also where it passes other links.

    Parameters
    ----------
    path
        The link.
    links
        Target of each symbolic link of the tree, this one included.
    """
    place = path.split(b"/")[:-1]
    waiting = links[path].split(b"/")[::-1]
    if links[path].startswith(b"/") or b"\\" in links[path]:
        return False
    hops = 0
    while waiting:
        name = waiting.pop()
        if name in {b"", b"."}:
            continue
        if name == b"..":
            if not place:
                return False
            place.pop()
            continue
        if is_dot_git(name.decode("utf-8", "replace")):
            return False
        target = links.get(b"/".join([*place, name]))
        if target is None:
            place.append(name)
            continue
        hops += 1
        if target.startswith(b"/") or hops > _LINK_HOPS:
            return False
        waiting.extend(target.split(b"/")[::-1])
    return True
