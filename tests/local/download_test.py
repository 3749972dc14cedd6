import hashlib
import io
import platform
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from codecourier.local.download import ReleaseSites, download_program
from codecourier.local.errors import UnavailableError
from codecourier.local.versions import ETCD_VERSION, KUBERNETES_VERSION

PROGRAM = b"#!/bin/sh\necho program\n"


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Write nothing."""


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    return folder


@pytest.fixture
def sites(published: Path) -> Iterator[ReleaseSites]:
    handler = partial(QuietHandler, directory=str(published))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield ReleaseSites(kubernetes=url, etcd=url)
        server.shutdown()
        thread.join()


def publish(folder: Path, path: str, content: bytes) -> str:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def publish_api_server(folder: Path, digest: str = "") -> None:
    path = f"{KUBERNETES_VERSION}/bin/linux/amd64/kube-apiserver"
    actual = publish(folder, path, PROGRAM)
    publish(folder, f"{path}.sha256", (digest or actual).encode("ascii"))


def download(program: str, folder: Path, sites: ReleaseSites, checkpoint: Callable[[], object] = lambda: None) -> None:
    download_program(program, folder, lambda _: None, checkpoint, sites)


def test_a_program_with_the_published_checksum_is_put_in_place(
    tmp_path: Path, published: Path, sites: ReleaseSites
) -> None:
    publish_api_server(published)
    download("kube-apiserver", tmp_path, sites)
    assert (tmp_path / "kube-apiserver").read_bytes() == PROGRAM
    assert (tmp_path / "kube-apiserver").stat().st_mode & 0o111


def test_a_program_with_another_checksum_is_thrown_away(tmp_path: Path, published: Path, sites: ReleaseSites) -> None:
    publish_api_server(published, digest="0" * 64)
    with pytest.raises(UnavailableError, match="does not have the checksum"):
        download("kube-apiserver", tmp_path, sites)
    assert list(tmp_path.iterdir()) == [published]


def test_etcd_is_taken_out_of_its_archive(tmp_path: Path, published: Path, sites: ReleaseSites) -> None:
    stem = f"etcd-{ETCD_VERSION}-linux-amd64"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in (("README.md", b"read"), ("etcd", PROGRAM), ("etcdctl", b"other")):
            member = tarfile.TarInfo(f"{stem}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest = publish(published, f"{ETCD_VERSION}/{stem}.tar.gz", buffer.getvalue())
    sums = f"{'0' * 64}  etcd-{ETCD_VERSION}-linux-arm64.tar.gz\n{digest}  {stem}.tar.gz\n"
    publish(published, f"{ETCD_VERSION}/SHA256SUMS", sums.encode("ascii"))
    download("etcd", tmp_path, sites)
    assert (tmp_path / "etcd").read_bytes() == PROGRAM


def test_a_site_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    nowhere = ReleaseSites(kubernetes="http://127.0.0.1:1", etcd="http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"needs access to http://127\.0\.0\.1:1/"):
        download("kube-apiserver", tmp_path, nowhere)


def test_an_interrupted_download_leaves_no_program(tmp_path: Path, published: Path, sites: ReleaseSites) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    publish_api_server(published)
    with pytest.raises(KeyboardInterrupt):
        download("kube-apiserver", tmp_path, sites, interrupt)
    assert not (tmp_path / "kube-apiserver").exists()


def test_other_systems_hear_that_nothing_is_published_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(UnavailableError, match="for Linux on amd64 and arm64 only"):
        download("etcd", tmp_path, ReleaseSites())
