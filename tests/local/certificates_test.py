import socket
import ssl
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from codecourier.local.certificates import Authority, KeyPair, create_authority, create_key_pair, write_key_pair


def write(pair: KeyPair, folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    write_key_pair(pair, certificate, key)
    return certificate, key


def greet(folder: Path, trusted: Authority, server: Authority, client: Authority) -> str:
    """Let a client greet a server over TLS, both with certificates; return the client's name as the server saw it."""
    trusted_file = write(trusted.pair, folder, "trusted")[0]
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(trusted_file))
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_cert_chain(*write(server.issue("server", hosts=["localhost", "127.0.0.1"]), folder, "server"))
    client_context = ssl.create_default_context(cafile=str(trusted_file))
    client_context.load_cert_chain(*write(client.issue("client", organization="group"), folder, "client"))
    ours, theirs = socket.socketpair()
    answer = Thread(target=_answer, args=(server_context, theirs))
    answer.start()
    try:
        with client_context.wrap_socket(ours, server_hostname="127.0.0.1") as connection:
            return connection.recv(100).decode("utf-8")
    finally:
        ours.close()
        answer.join()


def _answer(context: ssl.SSLContext, raw: socket.socket) -> None:
    with raw:
        try:
            connection = context.wrap_socket(raw, server_side=True)
        except (ssl.SSLError, OSError):
            return
        with connection:
            certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
            name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
            connection.sendall(name.encode() if isinstance(name, str) else name)


def test_client_and_server_of_one_authority_believe_each_other(tmp_path: Path) -> None:
    authority = create_authority("authority")
    assert greet(tmp_path, authority, authority, authority) == "client"


def test_a_server_of_another_authority_is_not_believed(tmp_path: Path) -> None:
    authority = create_authority("authority")
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(tmp_path, authority, create_authority("authority"), authority)


def test_a_client_of_another_authority_is_not_believed(tmp_path: Path) -> None:
    authority = create_authority("authority")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        greet(tmp_path, authority, authority, create_authority("authority"))


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    _, key = write(create_key_pair(), tmp_path, "pair")
    assert key.stat().st_mode & 0o077 == 0
