"""Callers that kube-apiserver vouches for: its front-proxy certificate, and the headers that say who asks."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from codecourier.core.shared.api_keys import Identity

__all__ = ["FrontProxy", "UnsafeFrontProxyError", "read_front_proxy"]

_BEGIN = "-----BEGIN CERTIFICATE-----"
_END = "-----END CERTIFICATE-----"

_ANONYMOUS = "system:anonymous"
_AUTHENTICATED = "system:authenticated"

Headers = Iterable[tuple[bytes, bytes]]
"""Names in lower case and values, as they came."""


class UnsafeFrontProxyError(ValueError):
    """Every client certificate of the cluster would be believed when it names another user."""


@dataclass(frozen=True)
class FrontProxy:
    """By what kube-apiserver is known, and in which headers it says who asks."""

    authority: str
    """Certificates of the authorities that vouch for it, PEM."""

    names: frozenset[str]
    """Common names that its certificate may have; empty: any."""

    user_headers: tuple[str, ...]
    """Headers with the user's name, in lower case, as all below; the first that is there counts."""

    group_headers: tuple[str, ...]
    uid_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]
    """Beginnings of headers with further attributes."""

    def identify(self, peer: str | None, headers: Headers) -> Identity | None:
        """Return who asks; None: kube-apiserver does not say so.

        Parameters
        ----------
        peer
            Common name in the certificate of the client, which the authority signed; None: it has no such certificate.
        headers
            Headers of the request.
        """
        if peer is None or (self.names and peer not in self.names):
            return None
        try:
            # Go writes UTF-8.
            found = [(name.decode("ascii"), value.decode()) for name, value in headers if value]
        except UnicodeDecodeError:
            return None
        user = next(_values(found, self.user_headers), "")
        if not user:
            return None
        groups = list(_values(found, self.group_headers))
        # As Kubernetes' own servers do: the aggregator names no group when it reads documents.
        if user != _ANONYMOUS and _AUTHENTICATED not in groups:
            groups.append(_AUTHENTICATED)
        uid = next(_values(found, self.uid_headers), "")
        return Identity(user, tuple(groups), uid, _extra(found, self.extra_prefixes))


def _values(headers: list[tuple[str, str]], names: Iterable[str]) -> Iterator[str]:
    return (value for wanted in names for name, value in headers if name == wanted)


def _extra(headers: list[tuple[str, str]], prefixes: Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: dict[str, list[str]] = {}
    for prefix in prefixes:
        for name, value in headers:
            if name.startswith(prefix) and len(name) > len(prefix):
                found.setdefault(unquote(name.removeprefix(prefix)), []).append(value)
    return tuple((key, tuple(values)) for key, values in sorted(found.items()))


def read_front_proxy(data: Mapping[str, str]) -> FrontProxy | None:
    """Return what a cluster says about its front proxy; None: it has none.

    Parameters
    ----------
    data
        Data of the ConfigMap `extension-apiserver-authentication`.

    Raises
    ------
    UnsafeFrontProxyError
        If any name is allowed for an authority that also vouches for the cluster's other clients.
    ValueError
        If a value is not what Kubernetes writes.
    """
    authority = data.get("requestheader-client-ca-file", "").strip()
    if not authority:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=authority)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError("requestheader-client-ca-file holds no certificates") from error
    names = _list(data, "requestheader-allowed-names")
    if not names and _certificates(authority) & _certificates(data.get("client-ca-file", "")):
        raise UnsafeFrontProxyError(
            "ConfigMap kube-system/extension-apiserver-authentication allows any name (requestheader-allowed-names is "
            "empty) for an authority that also signs the cluster's client certificates, so every client could name "
            "another user. Set --requestheader-allowed-names of kube-apiserver, or give it an authority of its own."
        )
    return FrontProxy(
        authority=authority,
        names=frozenset(names),
        user_headers=_lower(_list(data, "requestheader-username-headers")),
        group_headers=_lower(_list(data, "requestheader-group-headers")),
        uid_headers=_lower(_list(data, "requestheader-uid-headers")),
        extra_prefixes=_lower(_list(data, "requestheader-extra-headers-prefix")),
    )


def _lower(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _list(data: Mapping[str, str], key: str) -> list[str]:
    found = orjson.loads(data.get(key) or "[]")
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ValueError(f"{key} is no list of names")
    return found


def _certificates(bundle: str) -> set[bytes]:
    """Return the certificates of a bundle, DER.

    Raises
    ------
    ValueError
        If one cannot be read.
    """
    *found, _rest = bundle.split(_END)
    return {ssl.PEM_cert_to_DER_cert(_BEGIN + text.rpartition(_BEGIN)[2] + _END) for text in found}
