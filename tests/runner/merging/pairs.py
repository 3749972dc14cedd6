"""Pairs of real branches: what each side does, by shell scripts in a working tree, and the tests of both sides.

`ours` is merged before, `theirs` is the pull request. Each side's test says whether what it wanted holds in a tree.
"""

from dataclasses import dataclass, replace

from codecourier.runner.merging.conflicts import ConflictKind

__all__ = ["PAIRS", "Pair"]

_LINES = "printf '1\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\n' > app"


@dataclass(frozen=True)
class Pair:
    """Two branches from one base."""

    name: str
    base: str
    ours: str
    theirs: str
    kinds: frozenset[ConflictKind] = frozenset()
    """Kinds of the conflicts; none: git merges it alone."""

    right: str = ""
    """What a good agent does."""

    lazy: str = ""
    """What an agent does that takes one side."""

    test_ours: str = "true"
    test_theirs: str = "true"
    hindrance: str | None = None
    """Why no agent may resolve it."""

    @property
    def is_clean(self) -> bool:
        """Whether git merges it alone."""
        return not self.kinds


def _kinds(*kinds: ConflictKind) -> frozenset[ConflictKind]:
    return frozenset(kinds)


_CONTENT = _kinds(ConflictKind.CONTENT)
_TEXT = Pair(
    "text",
    base=_LINES,
    ours="sed -i 's/^5$/5 ours/' app",
    theirs="sed -i 's/^5$/5 theirs/' app",
    kinds=_CONTENT,
    right="printf '1\\n2\\n3\\n4\\n5 ours theirs\\n6\\n7\\n8\\n9\\n' > app; git add app",
    lazy="git checkout --quiet --ours app; git add app",
    test_ours="grep -q '^5.* ours' app",
    test_theirs="grep -q '^5.* theirs' app",
)
_RENAMED = "seq 1 30 > old"

CLEAN = (
    Pair("other-hunks", _LINES, "sed -i 's/^1$/one/' app", "sed -i 's/^9$/nine/' app"),
    Pair("other-files", _LINES, "echo a > a", "echo b > b"),
    Pair("same-change", _LINES, "sed -i 's/^5$/five/' app; echo a > a", "sed -i 's/^5$/five/' app; echo b > b"),
    Pair("same-addition", _LINES, "echo x > new; echo a > a", "echo x > new; echo b > b"),
    Pair("both-deleted", _LINES, "rm app; echo a > a", "rm app; echo b > b"),
    Pair("rename-and-change", _RENAMED, "git mv old new", "sed -i 's/^15$/fifteen/' old"),
    Pair("both-renamed-alike", _RENAMED, "git mv old new", "git mv old new; echo b > b"),
    Pair("folder-renamed", "mkdir d; seq 1 9 > d/a; seq 11 19 > d/b", "git mv d e", "echo ten >> d/a"),
    Pair("binary-on-one-side", "printf 'a\\0b' > bin", "echo a > a", "printf 'c\\0d' > bin"),
    Pair("mode-and-content", _LINES, "chmod +x app", "sed -i 's/^5$/five/' app"),
    Pair("link-on-one-side", "echo x > x; ln -s x link", "echo a > a", "ln -sfn a link"),
    Pair(
        "crlf-other-hunks",
        "printf '1\\r\\n2\\r\\n3\\r\\n4\\r\\n5\\r\\n' > dos",
        "sed -i 's/^1/one/' dos",
        "sed -i 's/^5/five/' dos",
    ),
    Pair("case-renamed-and-changed", "seq 1 30 > readme", "git mv readme README", "sed -i 's/^9$/nine/' readme"),
    Pair("name-is-not-utf-8", _LINES, "echo a > a", "echo b > \"$(printf 'caf\\351')\""),
    Pair("submodule-on-one-side", "sub 1", "echo a > a", "sub 2"),
    Pair(
        "workflow-of-the-source", _LINES, "echo a > a", "mkdir -p .github/workflows; echo x > .github/workflows/ci.yml"
    ),
    Pair("octopus-in-the-history", _LINES, "echo a > a", "octopus b c d"),
    Pair(
        "criss-cross", _LINES, "crisscross ours; sed -i 's/^1$/one/' app", "crisscross theirs; sed -i 's/^9$/nine/' app"
    ),
    Pair(
        "attributes-of-the-source",
        _LINES,
        "sed -i 's/^1$/one/' app",
        "echo '* merge=ours' > .gitattributes; sed -i 's/^9$/nine/' app",
    ),
)

CONFLICTS = (
    _TEXT,
    replace(_TEXT, name="union-in-the-source", theirs=f"echo '* merge=union' > .gitattributes; {_TEXT.theirs}"),
    replace(_TEXT, name="union-in-the-base", base=f"echo '* merge=union' > .gitattributes; {_TEXT.base}"),
    replace(_TEXT, name="driver-in-the-source", theirs=f"echo '* merge=evil' > .gitattributes; {_TEXT.theirs}"),
    replace(_TEXT, name="binary-by-attribute", theirs=f"echo '* binary -merge' > .gitattributes; {_TEXT.theirs}"),
    replace(
        _TEXT,
        name="criss-cross-text",
        ours=f"crisscross ours; {_TEXT.ours}",
        theirs=f"crisscross theirs; {_TEXT.theirs}",
    ),
    replace(_TEXT, name="octopus-text", theirs=f"octopus b c d; {_TEXT.theirs}"),
    Pair(
        "same-place",
        _LINES,
        "sed -i '/^5$/a ours' app",
        "sed -i '/^5$/a theirs' app",
        _CONTENT,
        right="sed -i -E '/^(<{7}|={7}|>{7})/d' app; git add app",
        lazy="git checkout --quiet --theirs app; git add app",
        test_ours="grep -q ours app",
        test_theirs="grep -q theirs app",
    ),
    Pair(
        "added-on-both-sides",
        _LINES,
        "echo ours > new",
        "echo theirs > new",
        _kinds(ConflictKind.BOTH_ADDED),
        right="printf 'ours\\ntheirs\\n' > new",
        lazy="echo ours > new",
        test_ours="grep -q ours new",
        test_theirs="grep -q theirs new",
    ),
    Pair(
        "deleted-by-us",
        "printf 'legacy\\nrest\\n' > old",
        "rm old",
        "echo fix >> old",
        _kinds(ConflictKind.MODIFY_DELETE),
        right="printf 'rest\\nfix\\n' > old; git add old",
        lazy="git rm -q old",
        test_ours="! grep -qs legacy old",
        test_theirs="grep -q fix old",
    ),
    Pair(
        "deleted-by-them",
        "printf 'legacy\\nrest\\n' > old",
        "echo fix >> old",
        "rm old",
        _kinds(ConflictKind.MODIFY_DELETE),
        right="sed -i /legacy/d old",
        lazy="git add old",
        test_ours="grep -q fix old",
        test_theirs="! grep -qs legacy old",
    ),
    Pair(
        "renamed-differently",
        _RENAMED,
        "git mv old ours",
        "git mv old theirs",
        _kinds(ConflictKind.RENAME_RENAME),
        right="git rm -q --cached old; git add ours theirs",
        lazy="git rm -q theirs old; git add ours",
        test_ours="test -f ours -a ! -e old",
        test_theirs="test -f theirs -a ! -e old",
    ),
    Pair(
        "renamed-to-one-name",
        "seq 1 30 > one; seq 101 130 > two",
        "git mv one new; echo ours >> new",
        "git mv two new; echo theirs >> new",
        _kinds(ConflictKind.BOTH_ADDED),
        right="{ seq 1 30; echo ours; seq 101 130; echo theirs; } > new; git add new",
        lazy="git checkout --quiet --ours new; git add new",
        test_ours="grep -q ours new",
        test_theirs="grep -q theirs new",
    ),
    Pair(
        "renamed-and-deleted",
        f"{_RENAMED}; echo legacy >> old",
        "git mv old new; echo fix >> new",
        "rm old",
        _kinds(ConflictKind.RENAME_DELETE, ConflictKind.MODIFY_DELETE),
        right="sed -i /legacy/d new; git add new",
        lazy="git rm -q new",
        test_ours="grep -q fix new",
        test_theirs="! grep -qs legacy new",
    ),
    Pair(
        "renamed-onto-an-addition",
        _RENAMED,
        "git mv old new; echo ours >> new",
        "echo theirs > new",
        _kinds(ConflictKind.BOTH_ADDED),
        right="{ seq 1 30; echo ours; echo theirs; } > new",
        lazy="git checkout --quiet --theirs new; git add new",
        test_ours="grep -q ours new",
        test_theirs="grep -q theirs new",
    ),
    Pair(
        "case-renamed-differently",
        "seq 1 30 > readme",
        "git mv readme README; echo ours >> README",
        "git mv readme Readme; echo theirs >> Readme",
        _kinds(ConflictKind.RENAME_RENAME),
        right="git rm -q --cached readme; rm Readme; { seq 1 30; echo ours; echo theirs; } > README",
        lazy="rm Readme; git show HEAD:README > README; git add -A",
        test_ours="grep -q ours README",
        test_theirs="grep -q theirs README || grep -q theirs Readme",
    ),
    Pair(
        "binary",
        "printf 'a\\0b' > bin",
        "printf 'ours\\0b' > bin",
        "printf 'theirs\\0b' > bin",
        _kinds(ConflictKind.BINARY),
        right="printf 'ours\\0theirs' > bin",
        lazy="git checkout --quiet --ours bin; git add bin",
        test_ours="grep -aq ours bin",
        test_theirs="grep -aq theirs bin",
    ),
    Pair(
        "link-both",
        "echo x > x; ln -s x link",
        "echo a > a; ln -sfn a link",
        "echo b > b; ln -sfn b link",
        _CONTENT,
        right="mkdir -p . ; cat a b > both 2>/dev/null; rm both; ln -sfn b link; git add link",
        lazy="ln -sfn a link; git add link",
        test_ours="test -L link",
        test_theirs='test "$(readlink link)" = b',
    ),
    Pair(
        "link-and-file",
        "seq 1 9 > thing; echo x > x",
        "ln -sfn x thing",
        "echo theirs >> thing",
        _kinds(ConflictKind.MODE),
        right="for name in thing~*; do test -L $name || mv $name kept; rm -f $name; done; rm -f thing; mv kept thing",
        lazy="rm -f thing~* thing; ln -s x thing; git add -A",
        test_theirs="grep -q theirs thing",
    ),
    Pair(
        "crlf-and-a-change",
        _LINES,
        "sed -i 's/$/\\r/' app",
        "sed -i 's/^5$/5 theirs/' app",
        _CONTENT,
        right="git show :3:app | sed 's/$/\\r/' > app",
        lazy="git checkout --quiet --ours app; git add app",
        test_ours="grep -q \"$(printf '\\r')\" app",
        test_theirs="grep -q '^5 theirs' app",
    ),
    Pair(
        "indented-and-changed",
        _LINES,
        "sed -i 's/^/  /' app",
        "sed -i 's/^5$/five/' app",
        _CONTENT,
        right="git show :2:app | sed 's/5/five/' > app",
        lazy="git checkout --quiet --theirs app; git add app",
        test_ours="grep -q '^  9' app",
        test_theirs="grep -q five app",
    ),
    Pair(
        "file-and-folder",
        "echo old > thing",
        "rm thing; mkdir thing; echo ours > thing/part",
        "echo theirs >> thing",
        _kinds(ConflictKind.FILE_DIRECTORY, ConflictKind.MODIFY_DELETE),
        right="mv thing~* thing/rest; git add -A",
        lazy="rm thing~*; git add -A",
        test_ours="grep -q ours thing/part",
        test_theirs="grep -qr theirs thing",
    ),
    Pair(
        "added-to-a-renamed-folder",
        "mkdir d; for i in 1 2 3 4; do seq $i 20 > d/$i; done",
        "git mv d e",
        "echo theirs > d/new",
        _kinds(ConflictKind.FOLDER_RENAME),
        right="git add -A",
        lazy="git rm -qf e/new",
        test_ours="test -f e/1 -a ! -e d",
        test_theirs="grep -q theirs e/new",
    ),
    Pair(
        "two-files",
        f"{_LINES}; cp app lib",
        "sed -i 's/^5$/5 ours/' app lib",
        "sed -i 's/^5$/5 theirs/' app lib",
        _CONTENT,
        right="for name in app lib; do sed -i -E '/^(<{7}|={7}|>{7})/d' $name; done; git add -A",
        lazy="git checkout --quiet --ours app lib; git add -A",
        test_ours="grep -q ours app && grep -q ours lib",
        test_theirs="grep -q theirs app && grep -q theirs lib",
    ),
)

HINDERED = (
    Pair("submodule-both", "sub 1", "sub 2", "sub 3", _kinds(ConflictKind.SUBMODULE), hindrance="SubmoduleConflict"),
    Pair(
        "name-in-conflict-is-not-utf-8",
        "name=$(printf 'caf\\351'); echo a > \"$name\"",
        "name=$(printf 'caf\\351'); echo b > \"$name\"",
        "name=$(printf 'caf\\351'); echo c > \"$name\"",
        _CONTENT,
        hindrance="UnsafePathConflict",
    ),
    Pair(
        "workflow-both",
        "mkdir -p .github/workflows; echo a > .github/workflows/ci.yml",
        "echo b > .github/workflows/ci.yml",
        "echo c > .github/workflows/ci.yml",
        _CONTENT,
        hindrance="CiPathConflict",
    ),
    Pair(
        "folder-renamed-apart",
        "mkdir d; for i in 1 2 3 4; do seq $i 20 > d/$i; done",
        "mkdir e f; git mv d/1 d/2 e; git mv d/3 d/4 f",
        "echo theirs > d/new",
        _kinds(ConflictKind.FOLDER_RENAME),
        hindrance="FolderRenameConflict",
    ),
)

PAIRS = (*CLEAN, *CONFLICTS, *HINDERED)
