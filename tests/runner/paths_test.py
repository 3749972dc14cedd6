import pytest

from codecourier.runner.paths import PathError, check_path, find_collision, is_ci_path, is_dot_git, resolves_inside


@pytest.mark.parametrize(
    "name",
    [
        *(".git", ".GIT", ".Git", "git~1", "GIT~1", "git~2", ".git.", ".git ", ".git. .", ".git::$INDEX_ALLOCATION"),
        *(".git:x", ".g\u200cit", ".gi\u200dt", "\ufeff.git", ".g\u202eit", "a\\.git\\b", ".git\\config", "\uff0egit"),
    ],
)
def test_git_is_seen_in_every_spelling(name: str) -> None:
    assert is_dot_git(name)
    with pytest.raises(PathError, match=r"is \.git in the eyes"):
        check_path(f"a/{name}/config".encode())


@pytest.mark.parametrize("name", [".gitignore", ".github", "git", "x.git", ".gitkeep", "git~", "git~x", "..git"])
def test_other_names_are_not_git(name: str) -> None:
    assert not is_dot_git(name)
    check_path(name.encode())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (b"a\xff", "not UTF-8"),
        (b"/a", "plain relative"),
        (b"a//b", "plain relative"),
        (b"a/../b", "plain relative"),
        (b"./a", "plain relative"),
        (b"", "plain relative"),
        (b"a\nb", "control character"),
        (b"a\x7fb", "control character"),
        (b"a" * 256, "longer than 255"),
        (b"a/" * 2000 + b"b", "longer than 4000"),
    ],
)
def test_unsafe_paths_are_refused(path: bytes, message: str) -> None:
    with pytest.raises(PathError, match=message):
        check_path(path)


@pytest.mark.parametrize("name", [".gitmodules", ".gitattributes", "a/.gitignore", ".mailmap", ".GitModules"])
def test_files_of_git_are_no_links(name: str) -> None:
    check_path(name.encode())
    with pytest.raises(PathError, match="symbolic link"):
        check_path(name.encode(), is_link=True)


@pytest.mark.parametrize(
    "path",
    [
        *(".github/workflows/ci.yml", ".github", ".GitHub/x", ".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
        *(
            ".gitmodules",
            "a/.gitattributes",
            ".gitlab-ci.yml",
            ".gitlab-ci-extra.yml",
            ".gitlab/x",
            ".circleci/config.yml",
        ),
        *("Jenkinsfile", "Jenkinsfile.release", "azure-pipelines.yml", ".azure-pipelines/a.yml", ".travis.yml"),
        *("bitbucket-pipelines.yml", ".buildkite/pipeline.yml", ".drone.yml", ".woodpecker.yml", ".woodpecker/a.yml"),
        *(".cirrus.yml", "appveyor.yml", ".tekton/a.yaml", "cloudbuild.yaml", ".forgejo/workflows/a.yml", ".gitea/x"),
        *("gitmod~1", "GITATT~1", "gi7eba~1", ".gi\u200cthub/x", ".github./x", ".github::$INDEX_ALLOCATION/x"),
        ".build\u212aite/x",
        ".github\\workflows\\x",
    ],
)
def test_paths_that_steer_ci(path: str) -> None:
    assert is_ci_path(path.encode())


@pytest.mark.parametrize(
    "path", ["src/.github2/x", "src/Jenkinsfile", ".gitignore", "ci.yml", "docs/.travis.yml", "github/x"]
)
def test_paths_that_do_not_steer_ci(path: str) -> None:
    assert not is_ci_path(path.encode())


def test_names_that_differ_by_case_or_form_collide() -> None:
    assert find_collision([b"a/X", b"a/x"], [b"a/x"]) == ("a/x", "a/X")
    assert find_collision([b"A/one", b"a/two"], [b"a/two"]) == ("a", "A")
    assert find_collision(["e\u0301".encode(), "\u00e9".encode()], ["\u00e9".encode()]) is not None
    assert find_collision([b"a/x", b"a/y", b"b/x"], [b"a/y", b"b/x"]) is None


def test_collisions_that_were_there_before_are_left_alone() -> None:
    assert find_collision([b"X", b"x", b"new"], [b"new"]) is None


@pytest.mark.parametrize(
    ("target", "inside"),
    [
        (b"b", True),
        (b"../README", True),
        (b"not/there", True),
        (b"./.././a/b", True),
        (b"../..", False),
        (b"../../a/b", False),
        (b"/etc/passwd", False),
        (b"../.git/config", False),
        (b"../.GIT/config", False),
        (b"..\\..\\x", False),
        (b"up/secret", False),
        (b"deep/../../x", False),
        (b"loop", False),
        (b"abroad", False),
    ],
)
def test_links_stay_inside(target: bytes, *, inside: bool) -> None:
    links = {
        b"d/link": target,
        b"d/up": b"../..",
        # Leads to the root, so that a following `..` is outside although the path looks harmless.
        b"d/deep": b"..",
        b"d/loop": b"loop",
        b"d/abroad": b"/etc",
    }
    assert resolves_inside(b"d/link", links) is inside
