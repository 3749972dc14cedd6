"""By what kube-apiserver is known, and whom its headers name."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.apiserver.front_proxy import FrontProxy, UnsafeFrontProxyError, read_front_proxy
from codecourier.core.shared.api_keys import Identity
from codecourier.local.certificates import create_authority

PROXY = create_authority("front-proxy-ca").pair.certificate.decode()
CLIENTS = create_authority("ca").pair.certificate.decode()
DATA = {
    "client-ca-file": CLIENTS,
    "requestheader-client-ca-file": PROXY,
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User","X-User"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}


def read(**changes: str) -> FrontProxy:
    """Return what a ConfigMap says."""
    found = read_front_proxy(DATA | {name.replace("_", "-"): value for name, value in changes.items()})
    assert found is not None
    return found


def identify(*headers: tuple[str, str], peer: str | None = "front-proxy-client", **changes: str) -> Identity | None:
    """Return whom headers name."""
    sent = [(name.lower().encode(), value.encode()) for name, value in headers]
    return read(**changes).identify(peer, sent)


def test_whom_the_headers_name() -> None:
    found = identify(
        ("X-Remote-User", "jürgen"),
        ("X-Remote-Group", "b"),
        ("X-Remote-Extra-Scopes", "x"),
        ("X-Remote-Group", "a"),
        ("X-Remote-Extra-", "no name"),
        ("X-Remote-Extra-Scopes", "y"),
        ("X-Remote-Extra-example.com%2Fkey", "z"),
        ("X-Remote-Uid", "not told of"),
    )
    extra = (("example.com/key", ("z",)), ("scopes", ("x", "y")))
    assert found == Identity("jürgen", ("b", "a", "system:authenticated"), "", extra)
    assert identify(("X-User", "bob"), ("X-Remote-User", "")) == Identity("bob", ("system:authenticated",))
    assert identify(("X-User", "bob"), ("X-Remote-User", "alice")) == Identity("alice", ("system:authenticated",))


def test_an_anonymous_user_is_not_authenticated() -> None:
    found = identify(("X-Remote-User", "system:anonymous"), ("X-Remote-Group", "system:unauthenticated"))
    assert found == Identity("system:anonymous", ("system:unauthenticated",))


@pytest.mark.parametrize("peer", [None, "", "someone", "Front-Proxy-Client", "front-proxy-client "])
def test_only_the_allowed_names_are_believed(peer: str | None) -> None:
    assert identify(("X-Remote-User", "alice"), peer=peer) is None
    is_known = peer is not None
    anyone = identify(("X-Remote-User", "alice"), peer=peer, requestheader_allowed_names="[]")
    assert (anyone is not None) == is_known


def test_a_name_that_is_no_text_names_nobody() -> None:
    assert read().identify("front-proxy-client", [(b"x-remote-user", b"\xff")]) is None


@pytest.mark.parametrize("names", ["[]", "null", ""])
@pytest.mark.parametrize("clients", [PROXY, CLIENTS + PROXY, PROXY.replace("\n", "\r\n")])
def test_any_name_of_an_authority_for_all_clients_is_unsafe(names: str, clients: str) -> None:
    data: Any = {"client_ca_file": clients, "requestheader_allowed_names": names}
    with pytest.raises(UnsafeFrontProxyError):
        read(**data)
    assert read(client_ca_file=clients).names == {"front-proxy-client"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("requestheader_client_ca_file", "none"),
        ("requestheader_client_ca_file", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        ("requestheader_client_ca_file", "ä"),
        ("requestheader_allowed_names", "front-proxy-client"),
        ("requestheader_allowed_names", '{"a": 1}'),
        ("requestheader_group_headers", "[1]"),
    ],
)
def test_what_is_not_understood_is_refused(key: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"requestheader|line 1|character"):
        read(**{key: value})


def test_a_cluster_may_have_no_front_proxy() -> None:
    assert read_front_proxy({"client-ca-file": CLIENTS}) is None
