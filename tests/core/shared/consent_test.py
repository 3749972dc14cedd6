"""Where a credential may go: attacks on the Secret, on the list of repositories and on the host."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from codecourier.core.shared.consent import (
    PREFIXES_MAX_LENGTH,
    SECRET_TYPE,
    SecretMetadata,
    find_agent_fault,
    find_app_problem,
    find_host_problem,
    find_secret_problem,
)
from codecourier.core.shared.reasons import Reason

SHOP = "https://github.com/acme/shop"
CREDENTIAL = {"codecourier.dev/repository-credential": "true"}
AGENTS = {"codecourier.dev/agent-readable": "true"}
MANAGED = {"codecourier.dev/managed": "true"}
SYSTEM_TYPES = (
    "kubernetes.io/service-account-token",
    "kubernetes.io/dockercfg",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/basic-auth",
    "kubernetes.io/ssh-auth",
    "kubernetes.io/tls",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
    "opaque",
)


def build_secret(
    labels: Mapping[str, str] = CREDENTIAL, prefixes: str | None = None, type_: str = "Opaque"
) -> SecretMetadata:
    annotations = {} if prefixes is None else {"codecourier.dev/repositories": prefixes}
    return SecretMetadata("forge", type_, labels, annotations)


def sentence_of(secret: SecretMetadata, url: str = SHOP) -> str:
    problem = find_secret_problem(secret, url)
    if problem is None:
        return ""
    assert problem.reason is Reason.SECRET_NOT_ALLOWED
    assert not problem.is_final, "its owner can fix it"
    return problem.message


@pytest.mark.parametrize("type_", ["Opaque", "", SECRET_TYPE])
def test_a_labelled_secret_may_be_sent_to_any_allowed_host(type_: str) -> None:
    assert sentence_of(build_secret(type_=type_)) == ""


@pytest.mark.parametrize("labels", [{}, {"codecourier.dev/repository-credential": "True"}, {"app": "shop"}])
def test_without_the_label_a_secret_is_not_sent(labels: Mapping[str, str]) -> None:
    assert sentence_of(build_secret(labels)) == (
        f"Secret 'forge' is not used for {SHOP}: it is not meant for repositories. "
        "If it is, label it codecourier.dev/repository-credential=true."
    )


@pytest.mark.parametrize("type_", SYSTEM_TYPES)
def test_a_secret_of_another_type_is_not_sent_whatever_its_label(type_: str) -> None:
    assert "its type is not Opaque" in sentence_of(build_secret(type_=type_))


@pytest.mark.parametrize(("labels", "words"), [(AGENTS, "agents may read it"), (MANAGED, "belongs to a Sandbox")])
def test_a_secret_with_another_purpose_is_not_sent(labels: Mapping[str, str], words: str) -> None:
    assert words in sentence_of(build_secret({**CREDENTIAL, **labels}))


ADMITTED = {
    "repository": SHOP,
    "owner": "https://github.com/acme",
    "owner with a slash": "https://github.com/acme/",
    "host": "https://github.com",
    "host with a slash": "https://github.com/",
    "usual port": "https://github.com:443/acme",
    "other case": "https://GitHub.com/ACME/Shop",
    "with .git": f"{SHOP}.git",
    "second of a line": f"https://github.com/other,{SHOP}",
    "second line": f"https://github.com/other\n{SHOP}\n",
    "spaces and blanks": f" , \n {SHOP} ,\t,",
    "windows lines": f"https://github.com/other\r\n{SHOP}\r\n",
}


@pytest.mark.parametrize("prefixes", ADMITTED.values(), ids=ADMITTED.keys())
def test_a_list_admits_what_lies_below_one_of_its_prefixes(prefixes: str) -> None:
    assert sentence_of(build_secret(prefixes=prefixes)) == ""
    assert find_app_problem("shop", prefixes, SHOP) is None


@pytest.mark.parametrize("url", [f"{SHOP}.git", "https://GITHUB.com:443/Acme/SHOP"])
def test_another_spelling_is_the_same_repository(url: str) -> None:
    assert sentence_of(build_secret(prefixes=SHOP), url) == ""


NOT_LISTED = {
    "owner that begins alike": ("https://github.com/acme", "https://github.com/acme-evil/shop"),
    "host that begins alike": ("https://github.com", "https://github.com.evil/acme/shop"),
    "name that begins alike": (SHOP, "https://github.com/acme/shop-evil"),
    "name with .git inside": (SHOP, "https://github.com/acme/shop.git.git"),
    "other port": ("https://github.com", "https://github.com:8443/acme/shop"),
    "port that begins alike": ("https://github.com:8", "https://github.com:8443/acme/shop"),
    "subdomain": ("https://github.com", "https://evil.github.com/acme/shop"),
    "owner as a name": ("https://github.com/acme", "https://github.com/evil/acme"),
    "owner as a host": ("https://acme", "https://github.com/acme/shop"),
    "other host": ("https://github.com/acme", "https://git.evil/acme/shop"),
    "no entry": ("", SHOP),
    "only blanks": (" ,\n, ", SHOP),
}


@pytest.mark.parametrize(("prefixes", "url"), NOT_LISTED.values(), ids=NOT_LISTED.keys())
def test_a_list_admits_nothing_that_only_begins_alike(prefixes: str, url: str) -> None:
    assert "does not list the repository" in sentence_of(build_secret(prefixes=prefixes), url)
    problem = find_app_problem("shop", prefixes, url)
    assert problem is not None
    assert problem.reason is Reason.APP_NOT_ALLOWED


MALFORMED = {
    "no scheme": "github.com/acme",
    "http": "http://github.com/acme",
    "upper scheme": "HTTPS://github.com/acme",
    "user": "https://github.com@evil/acme",
    "password": "https://me:canary@github.com/acme",
    "query": "https://github.com/acme?x",
    "fragment": "https://github.com/acme#x",
    "encoded": "https://github.com/ac%6de",
    "dots": "https://github.com/acme/..",
    "two slashes": "https://github.com//acme",
    "two slashes at the end": "https://github.com/acme//",
    "deeper": f"{SHOP}/tree",
    "wildcard": "https://github.com/*",
    "wildcard host": "https://*.github.com",
    "dot at the end": "https://github.com./acme",
    "no host": "https://",
    "port 0": "https://github.com:0/acme",
    "port too large": "https://github.com:65536",
    "letters that look alike": "https://github.com/\N{CYRILLIC SMALL LETTER A}cme",
    "space inside": "https://github.com/ac me",
    "semicolon": f"{SHOP};https://github.com/acme",
    "one of two": f"{SHOP},evil",
    "too long an entry": f"https://github.com/{'a' * 512}",
    "too long a list": f"{SHOP}\n" * (PREFIXES_MAX_LENGTH // len(SHOP)),
}


@pytest.mark.parametrize("prefixes", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_list_admits_nothing_and_is_not_quoted(prefixes: str) -> None:
    said = sentence_of(build_secret(prefixes=prefixes))
    assert "codecourier.dev/repositories cannot be read" in said
    assert "evil" not in said
    assert "canary" not in said
    assert find_app_problem("shop", prefixes, SHOP) is not None


def test_a_namespace_without_a_list_may_not_use_the_app() -> None:
    problem = find_app_problem("shop", None, SHOP)
    assert problem is not None
    assert problem.message == (
        f"Namespace shop may not use the GitHub App for {SHOP}: the Namespace has no annotation "
        "codecourier.dev/app-repositories. Only the cluster's administrator can change that."
    )


HOSTS = frozenset({"github.com", "git.corp:8443"})


@pytest.mark.parametrize("url", [SHOP, "https://GITHUB.com:443/a/b", "https://git.corp:8443/a/b"])
def test_a_listed_host_is_asked(url: str) -> None:
    assert find_host_problem(HOSTS, url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com.evil/a/b",
        "https://evil-github.com/a/b",
        "https://api.github.com/a/b",
        "https://github.com:8443/a/b",
        "https://git.corp/a/b",
        "https://127.0.0.1/a/b",
        "https://169.254.169.254/latest/meta-data",
        "https://kubernetes.default.svc/api/v1",
        "https://github.com@evil/a/b",
        "https://github.com/a/b/c",
        "github.com",
        "",
    ],
)
def test_an_unlisted_host_is_not_asked(url: str) -> None:
    problem = find_host_problem(HOSTS, url)
    assert problem is not None
    assert problem.reason is Reason.HOST_NOT_ALLOWED
    assert "CODECOURIER_FORGE_HOSTS" in problem.message


@pytest.mark.parametrize("type_", ["Opaque", "", "kubernetes.io/basic-auth"])
def test_agents_read_what_is_labelled_for_them(type_: str) -> None:
    assert find_agent_fault(build_secret(AGENTS, type_=type_), ("key",), "key") is None


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (None, "it is not there."),
        (build_secret({}), "it has no such label."),
        (build_secret({"codecourier.dev/agent-readable": "yes"}), "it has no such label."),
        (build_secret({**AGENTS, **CREDENTIAL}), "it is meant for repositories"),
        (build_secret(AGENTS, type_=SECRET_TYPE), "it is meant for repositories"),
        (build_secret({**AGENTS, **MANAGED}), "it belongs to the cluster"),
        (build_secret(AGENTS, type_="kubernetes.io/service-account-token"), "it belongs to the cluster"),
        (build_secret(AGENTS, type_="bootstrap.kubernetes.io/token"), "it belongs to the cluster"),
    ],
)
def test_agents_read_no_other_secret_and_are_not_told_its_keys(secret: SecretMetadata | None, words: str) -> None:
    for key in ("key", "other"):
        fault = find_agent_fault(secret, ("key", "canary"), key)
        assert fault is not None
        assert fault.startswith(words)
        assert "canary" not in fault


def test_the_keys_of_a_secret_that_agents_may_read_are_named() -> None:
    readable = build_secret(AGENTS)
    assert find_agent_fault(readable, ("api-key",), "apikey") == "it has no key 'apikey'; it has: api-key."
    assert find_agent_fault(readable, (), "apikey") == "it has no keys."
    many = find_agent_fault(readable, [f"k{n:03}" for n in range(1000)], "x")
    assert many is not None
    assert many.endswith("k018, k019.")
