"""Where the API server is, and how to prove who we are."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from codecourier.kube.access import Access, AccessError, load_access
from codecourier.kube.service_account import NoServiceAccountError, ServiceAccount
from codecourier.local.certificates import create_authority, write_key_pair

CANARY = "canary-token"
SERVICE = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


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
    mount(tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setattr("codecourier.kube.service_account.FOLDER", tmp_path)
    access = load_access()
    assert (access.address, access.server_name, access.proxy) == ("https://127.0.0.1:1", None, None)
    assert access.authorization() == f"Bearer {CANARY}"
    context = access.ssl_context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.cert_store_stats()["x509"] == 1


def mount(folder: Path) -> None:
    """Write a service account's files."""
    (folder / "token").write_text(f"{CANARY}\n", encoding="utf-8")
    certificate(folder)[0].rename(folder / "ca.crt")


def test_a_replaced_token_is_used_within_a_minute(tmp_path: Path) -> None:
    mount(tmp_path)
    now = 0.0
    account = ServiceAccount(SERVICE | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path, lambda: now)
    access = Access(account, lambda: now)
    assert access.address == "https://[fd00::1]:443"
    (tmp_path / "token").write_text("new", encoding="utf-8")
    now = 59.0
    assert access.authorization() == f"Bearer {CANARY}"
    now = 60.0
    assert access.authorization() == "Bearer new"
    (tmp_path / "token").unlink()
    now = 120.0
    assert access.authorization() == "Bearer new", "the API server decides whether it still holds"


@pytest.mark.parametrize("missing", ["host", "port", "token", "ca.crt", "empty token"])
def test_what_a_service_account_lacks_is_said(tmp_path: Path, missing: str) -> None:
    mount(tmp_path)
    environment = {key: value for key, value in SERVICE.items() if not key.lower().endswith(missing)}
    if missing == "empty token":
        (tmp_path / "token").write_text("\n", encoding="utf-8")
    elif missing in {"token", "ca.crt"}:
        (tmp_path / missing).unlink()
    with pytest.raises(
        NoServiceAccountError, match="KUBERNETES_SERVICE_" if environment != SERVICE else "token|ca.crt"
    ):
        ServiceAccount(environment, tmp_path)


def test_a_pod_loads_neither_kubernetes_nor_kopf_before_it_leads(tmp_path: Path) -> None:
    mount(tmp_path)
    script = (
        "import sys, pathlib, codecourier.cli, codecourier.controller.serve\n"
        "from codecourier.kube import access, service_account\n"
        "service_account.FOLDER = pathlib.Path(sys.argv[1])\n"
        "access.load_access()\n"
        "print('kopf' in sys.modules, 'kubernetes' in sys.modules)\n"
        "from codecourier.controller.events import _load_kopf\n"
        "print(_load_kopf().__name__, 'kubernetes' in sys.modules)\n"
        "import kubernetes\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **SERVICE})
    assert done.stdout.split() == ["False", "False", "kopf", "False"]


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


def test_the_loader_is_asked_for_the_token_once_a_second(tmp_path: Path) -> None:
    mount(tmp_path)
    now, minutes = 0.0, 0.0
    access = Access(ServiceAccount(SERVICE, tmp_path, lambda: minutes), lambda: now)
    assert access.authorization() == f"Bearer {CANARY}"
    (tmp_path / "token").write_text("new", encoding="utf-8")
    minutes, now = 60.0, 0.9
    assert access.authorization() == f"Bearer {CANARY}"
    now = 1.0
    assert access.authorization() == "Bearer new"
