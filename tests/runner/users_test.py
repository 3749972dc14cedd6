"""The users of the containers as the kernel sees them; as root, since only root may become them."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import codecourier
from codecourier.task import AGENT_UID, COURIER_UID, SHARED_GID, Publication, StepState, Task
from tests.runner.conftest import READ_TOKEN, WRITE_TOKEN
from tests.support.git_https import GitServer, git
from tests.support.sandbox import Ended, Pod

_USERS = {"checkout": AGENT_UID, "agent": AGENT_UID, "collect": AGENT_UID, "publish": COURIER_UID}
_AGENT = """
set -e
git log --oneline > /dev/null
echo new > new
echo changed >> README.md
chmod +x README.md
chmod 0755 .
touch -d 2001-02-03 README.md .
cp -p README.md copy
cp -a src/. .
mkdir ../box && tar -C src -cf ../box/x.tar . && tar -xf ../box/x.tar
python3 -c 'import shutil; shutil.copy2("README.md", "second"); shutil.copytree(".", "../box/all")'
git checkout -q HEAD -- src
rm -rf src && git checkout -q HEAD -- src
rm tracked.log
git add --all
git update-index --chmod=+x src/app.py
git commit --quiet -m mine
cat "$COURIER/config" && exit 9
cat "$TOKEN" && exit 9
exit 0
"""

_READS_SOURCE = "import sys; sys.path.insert(0, sys.argv[1]); import codecourier.task"


def _find_python() -> str | None:
    """Find a Python that the users of a pod can run our code with; root's own folder may be closed to them."""
    source = str(Path(codecourier.__file__).parents[1])
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            command = [python, "-I", "-c", _READS_SOURCE, source]
            done = subprocess.run(command, user=COURIER_UID, group=SHARED_GID, capture_output=True, check=False)
            if done.returncode == 0:
                return python
    return None


_PYTHON = _find_python() if os.geteuid() == 0 else None

pytestmark = pytest.mark.skipif(_PYTHON is None, reason="needs root, and a Python that other users may run")


@pytest.fixture
def pod(task: Task, server: GitServer) -> Iterator[Pod]:
    # Not below the folder of pytest, which only its own user may enter.
    folder = Path(tempfile.mkdtemp(prefix="codecourier-users-"))
    folder.chmod(0o755)
    pod = Pod(folder, dataclasses.replace(task, agent_command=("sh", "-c", _AGENT)), ca_file=server.ca_file)
    assert _PYTHON is not None
    pod.python = _PYTHON
    for volume in pod.volumes.iterdir():
        os.chown(volume, 0, SHARED_GID)
        volume.chmod(0o2775)
    yield pod
    shutil.rmtree(folder)


def _run(pod: Pod, container: str) -> Ended:
    user = _USERS[container]
    for private in ("courier", "token"):
        # Stands for mounts that only checkout's and publish's containers have.
        (pod.volumes / private).chmod(0o2775 if container in {"checkout", "publish"} else 0o700)
    environment = pod.environment(
        container, {"COURIER": str(pod.volumes / "courier"), "TOKEN": str(pod.volumes / "token" / "token")}
    )
    os.chown(pod.layout(container).termination_log, user, user)
    done = subprocess.run(
        pod.command(container),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        user=user,
        group=SHARED_GID,
        extra_groups=[],
        check=False,
    )
    return pod.ended(container, done.returncode, done.stdout.decode())


def test_every_user_can_do_its_part_and_no_more(pod: Pod, bare: Path) -> None:
    ended: dict[str, Ended] = {}
    for container, token in (("checkout", READ_TOKEN), ("agent", ""), ("collect", ""), ("publish", WRITE_TOKEN)):
        pod.set_token(token)
        os.chown(pod.volumes / "token" / "token", 0, SHARED_GID)
        (pod.volumes / "token" / "token").chmod(0o440)
        ended[container] = _run(pod, container)
        assert ended[container].exit_code == 0, ended[container]
    assert ended["agent"].report.state is StepState.SUCCEEDED, ended["agent"]
    assert "Permission denied" in ended["agent"].log
    assert ended["publish"].result.state is Publication.PUSHED
    names = git(bare, "diff", "--name-status", pod.task.base_commit, pod.task.branch).split("\n")
    added = [f"A\t{name}" for name in ("app.py", "copy", "new", "second")]
    assert names == ["M\tREADME.md", *added, "M\tsrc/app.py", "D\ttracked.log"]
    modes = git(bare, "ls-tree", "-r", "--format=%(objectmode) %(path)", pod.task.branch).split("\n")
    executable = [line.partition(" ")[2] for line in modes if line.startswith("100755")]
    assert executable == ["README.md", "copy", "second", "src/app.py"]
