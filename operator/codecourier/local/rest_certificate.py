"""The certificate of the REST API beside the embedded cluster."""

from __future__ import annotations

from codecourier.local.certificates import create_authority, write_key_pair
from codecourier.local.controlplane_flags import REST_USER
from codecourier.local.errors import LocalError
from codecourier.local.layout import ClusterLayout
from codecourier.local.state import file_lock

__all__ = ["rest_api_authority", "rest_api_variables"]

_NAMESPACE, _NAME = REST_USER.split(":")[2:]
_PREFIX = "CODECOURIER_API_"
_LOCK_SECONDS = 10


def rest_api_authority(layout: ClusterLayout) -> bytes:
    """Return the certificate, in PEM, that clients of the REST API check its certificate against.

    The first call makes both. The authority's key is kept nowhere.

    Raises
    ------
    LocalError
        If another process makes them and does not finish.
    """
    authority, files = layout.certificate("rest-api-ca"), (layout.certificate("rest-api"), layout.key("rest-api"))
    with file_lock(layout.pki / "rest-api.lock", timeout_seconds=_LOCK_SECONDS) as is_held:
        if not is_held:
            raise LocalError("another process makes the certificate of the REST API and does not finish: end it")
        if not authority.exists():
            made = create_authority("codecourier-local-rest-api-ca")
            hosts = (f"{_NAME}.{_NAMESPACE}.svc", "localhost", "127.0.0.1")
            write_key_pair(made.issue("codecourier-rest-api", hosts=hosts), *files)
            authority.write_bytes(made.pair.certificate)
    return authority.read_bytes()


def rest_api_variables(layout: ClusterLayout) -> dict[str, str]:
    """Return the variables with which `codecourier apiserver` serves TLS, as kube-apiserver expects."""
    rest_api_authority(layout)
    return {
        f"{_PREFIX}TLS_CERTIFICATE_FILE": str(layout.certificate("rest-api")),
        f"{_PREFIX}TLS_KEY_FILE": str(layout.key("rest-api")),
    }
