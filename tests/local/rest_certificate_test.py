"""The certificate of the REST API beside the embedded cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.x509 import DNSName, load_pem_x509_certificate
from cryptography.x509.verification import PolicyBuilder, Store

from codecourier.local.layout import ClusterLayout
from codecourier.local.rest_certificate import rest_api_authority, rest_api_variables


@pytest.mark.parametrize("name", ["codecourier-apiserver.codecourier-system.svc", "localhost"])
def test_the_certificate_is_good_for_what_clients_call_the_server(tmp_path: Path, name: str) -> None:
    layout = ClusterLayout(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(rest_api_authority, [layout] * 4))
    (authority,) = found
    files = [Path(file) for file in rest_api_variables(layout).values()]
    store = Store([load_pem_x509_certificate(authority)])
    certificate = load_pem_x509_certificate(files[0].read_bytes())
    assert PolicyBuilder().store(store).build_server_verifier(DNSName(name)).verify(certificate, [])
    assert files[1].stat().st_mode & 0o77 == 0
