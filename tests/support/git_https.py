"""Bare repositories over https by ``git http-backend``, with tokens and faults: all that the runner sees of a forge."""

import base64
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from codecourier.local.certificates import create_authority, write_key_pair

_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_AUTHOR_NAME": "A Person",
    "GIT_AUTHOR_EMAIL": "person@example.com",
    "GIT_COMMITTER_NAME": "A Person",
    "GIT_COMMITTER_EMAIL": "person@example.com",
}


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git as a person would, away from this machine's own configuration."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=_ENVIRONMENT, input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


@dataclass
class Fault:
    """What happens to requests whose line holds a text."""

    match: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    after_work: bool = False
    """The work is done and its answer lost."""

    times: int = 1


@dataclass
class GitServer:
    """A running server."""

    origin: str
    folder: Path
    """One for each owner, with bare repositories."""

    ca_file: Path
    tokens: dict[str, set[str]]
    """Token → "read", "write"."""

    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Method and path with query of each request."""

    def make_repository(self, name: str, files: dict[str, str | bytes]) -> Path:
        """Make a bare repository with one commit on main."""
        bare = self.folder / "team" / f"{name}.git"
        bare.parent.mkdir(exist_ok=True)
        git(bare.parent, "init", "--quiet", "--bare", "-b", "main", bare.name)
        git(bare, "config", "http.receivepack", "true")
        commit_files(bare, "main", files)
        return bare

    def url_of(self, bare: Path) -> str:
        """Return the address of one of its repositories."""
        return f"{self.origin}/{bare.relative_to(self.folder)}"


def commit_files(bare: Path, branch: str, files: dict[str, str | bytes], message: str = "A commit") -> str:
    """Commit files on top of a branch; returns the commit."""
    work = bare.with_suffix(f".work-{len(list(bare.parent.iterdir()))}")
    git(bare.parent, "clone", "--quiet", bare.name, work.name)
    if git(bare, "for-each-ref", f"refs/heads/{branch}"):
        git(work, "checkout", "--quiet", branch)
    else:
        git(work, "checkout", "--quiet", "-B", branch)
    for name, content in files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    git(work, "add", "--all", "--force")
    git(work, "commit", "--quiet", "--allow-empty", "-m", message)
    git(work, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    return git(work, "rev-parse", "HEAD")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    git_server: GitServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay silent."""

    def _serve(self) -> None:
        body = self._read_body()
        line = f"{self.command} {self.path}"
        self.git_server.requests.append(line)
        fault = next((fault for fault in self.git_server.faults if fault.match in line and fault.times), None)
        if fault is not None:
            fault.times -= 1
            if not fault.after_work:
                self._answer(fault.status, fault.headers, b"a fault")
                return
        status, headers, content = self._work(body)
        if fault is not None:
            self._answer(fault.status, fault.headers, b"a fault")
        else:
            self._answer(status, headers, content)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _work(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        path, _, query = self.path.partition("?")
        needs = "write" if "receive-pack" in self.path else "read"
        token = self._token()
        if token not in self.git_server.tokens:
            return 401, {"WWW-Authenticate": 'Basic realm="forge"'}, b""
        if needs not in self.git_server.tokens[token]:
            return 403, {}, b"this token may not do that"
        environment = {
            **_ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self.git_server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "somebody",
        }
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return int(headers.pop("Status", "200").split()[0]), headers, content

    def _token(self) -> str:
        with contextlib.suppress(ValueError):
            return (
                base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic "))
                .decode()
                .partition(":")[2]
            )
        return ""

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextlib.contextmanager
def serve_git(folder: Path, tokens: dict[str, set[str]]) -> Iterator[GitServer]:
    """Serve bare repositories below a folder on a free port of loopback."""
    ca_file, certificate_file, key_file = folder / "ca.crt", folder / "server.crt", folder / "server.key"
    authority = create_authority("forge")
    ca_file.write_bytes(authority.pair.certificate)
    write_key_pair(authority.issue("forge", hosts=["127.0.0.1"]), certificate_file, key_file)
    repositories = folder / "repositories"
    repositories.mkdir()

    class Handler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate_file, key_file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        git_server = GitServer(f"https://127.0.0.1:{server.server_address[1]}", repositories, ca_file, tokens)
        Handler.git_server = git_server
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield git_server
        finally:
            server.shutdown()
            thread.join()
