"""Where the API server is, and how to prove who we are."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from codecourier.kube.access import AccessError, load_access
from codecourier.local.certificates import create_authority, write_key_pair

CANARY = "canary-token"


@pytest.fixture(autouse=True)
def _no_other_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave neither a service account nor anybody's own kubeconfig to be found."""
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate and its key."""
    certificate_file, key_file = folder / "a.crt", folder / "a.key"
    write_key_pair(create_authority("test").pair, certificate_file, key_file)
    return certificate_file, key_file


def write_kubeconfig(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    """Write a kubeconfig with one context, and another that leads elsewhere."""
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": cluster}, {"name": "d", "cluster": {"server": "http://127.0.0.1:2"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u"}},
            {"name": "there", "context": {"cluster": "d", "user": "u"}},
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(body), encoding="utf-8")
    return path


def test_a_token_is_shown_as_bearer(tmp_path: Path) -> None:
    access = load_access(write_kubeconfig(tmp_path, {"server": "http://127.0.0.1:1/"}, {"token": CANARY}))
    assert access.address == "http://127.0.0.1:1"
    assert access.authorization() == f"Bearer {CANARY}"
    assert access.ssl_context() is None


def test_a_name_and_a_password_are_shown_as_basic(tmp_path: Path) -> None:
    user = {"username": "me", "password": CANARY}
    access = load_access(write_kubeconfig(tmp_path, {"server": "http://127.0.0.1:1"}, user))
    assert access.authorization() == "Basic " + base64.b64encode(f"me:{CANARY}".encode()).decode()


def test_another_context_can_be_chosen(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path, {"server": "http://127.0.0.1:1"}, {})
    assert load_access(path, "there").address == "http://127.0.0.1:2"


def test_a_server_is_verified_and_our_certificate_shown(tmp_path: Path) -> None:
    certificate_file, key_file = certificate(tmp_path)
    cluster = {
        "server": "https://127.0.0.1:1",
        "certificate-authority": str(certificate_file),
        "tls-server-name": "kubernetes",
    }
    user = {"client-certificate": str(certificate_file), "client-key": str(key_file)}
    access = load_access(write_kubeconfig(tmp_path, cluster, user))
    context = access.ssl_context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.cert_store_stats()["x509"] == 1
    assert access.authorization() is None
    assert access.server_name == "kubernetes"


def test_a_server_is_not_verified_only_where_the_file_says_so(tmp_path: Path) -> None:
    cluster = {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True}
    context = load_access(write_kubeconfig(tmp_path, cluster, {"token": CANARY})).ssl_context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    certificate_file, _ = certificate(tmp_path)
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority": str(certificate_file)}
    access = load_access(write_kubeconfig(tmp_path, cluster, {"token": CANARY}))
    certificate_file.write_text("no certificate", encoding="utf-8")
    with pytest.raises(AccessError, match=r"https://127\.0\.0\.1:1") as caught:
        access.ssl_context()
    assert str(certificate_file) in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_pod_uses_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate_file, _ = certificate(tmp_path)
    token_file = tmp_path / "token"
    token_file.write_text(f"{CANARY}\n", encoding="utf-8")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(token_file))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(certificate_file))
    access = load_access()
    assert access.address == "https://127.0.0.1:1"
    assert access.authorization() == f"bearer {CANARY}"


def test_where_there_is_no_way_all_that_was_tried_is_said() -> None:
    with pytest.raises(AccessError, match=r"no API server configured: service account: .*; kubeconfig from KUBECONFIG"):
        load_access()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AccessError) as caught:
        load_access(tmp_path / "absent")
    assert str(tmp_path / "absent") in str(caught.value)
    assert "service account" not in str(caught.value), "a file that was named is the only way"


def test_a_context_that_is_not_in_the_file_is_named(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path, {"server": "http://127.0.0.1:1"}, {})
    with pytest.raises(AccessError, match="nowhere"):
        load_access(path, "nowhere")


@pytest.mark.parametrize("text", ["", "[]", "just words", "{", "apiVersion: v1\nkind: Config\n"])
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AccessError, match="kubeconfig"):
        load_access(path)


def test_a_token_in_a_file_that_is_wrong_is_in_no_message(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(f"users: [{{name: u, user: {{token: {CANARY}}}}}", encoding="utf-8")
    with pytest.raises(AccessError) as caught:
        load_access(path)
    assert CANARY not in str(caught.value)
