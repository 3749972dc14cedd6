"""The launcher run directly, without namespaces, as on a machine without root."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from codecourier.local.processes import wait_until
from codecourier.local.processnode.container import Container, StartError
from codecourier.local.processnode.launch.spec import LaunchSpec
from codecourier.local.processnode.launching import build_launch_spec
from codecourier.local.processnode.logs import read_log
from codecourier.local.processnode.orphans import remove_pods, stop_everything, unknown_pods
from codecourier.local.processnode.settings import NodeSettings


def settings(folder: Path) -> NodeSettings:
    return NodeSettings(
        kubeconfig=folder / "none",
        state_dir=folder,
        node_name="n",
        port=0,
        certificate=folder / "none",
        key=folder / "none",
        client_authority=folder / "none",
        binds=False,
        isolates=False,
        shown=(),
        hidden=(),
    )


def make_container(folder: Path) -> Container:
    container = Container(folder / "pods" / "uid" / "containers" / "main")
    container.prepare()
    return container


def spec_of(container: Container, folder: Path, script: str, **fields: object) -> LaunchSpec:
    item = {"name": "main", "image": "any", "command": ["sh", "-c", script], **fields}
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "uid"}, "spec": {"containers": [item]}}
    volumes = {"work": folder / "volume"}
    (folder / "volume").mkdir(exist_ok=True)
    return build_launch_spec(pod, item, container, volumes, {}, settings(folder), [])


async def started(folder: Path, script: str, **fields: object) -> Container:
    container = make_container(folder)
    await container.start(spec_of(container, folder, script, **fields))
    return container


async def test_a_container_runs_logs_and_ends(tmp_path: Path) -> None:
    container = await started(tmp_path, "echo out; echo err >&2; exit 3")
    ended = await container.wait()
    assert (ended.code, ended.error) == (3, "")
    assert read_log(container.log_path) == b"out\nerr\n"
    assert container.started is not None
    assert container.started <= ended.finished
    assert not container.is_running()


async def test_mount_paths_are_rewritten_where_there_are_no_mounts(tmp_path: Path) -> None:
    container = await started(
        tmp_path,
        'echo x > "$TARGET"; cat /codecourier/work/x; pwd; echo /codecourier/workspace /a/codecourier/work; '
        "printf told > /dev/termination-log",
        env=[{"name": "TARGET", "value": "/codecourier/work/x"}],
        workingDir="/codecourier/work",
        volumeMounts=[{"name": "work", "mountPath": "/codecourier/work"}],
    )
    await container.wait()
    written = read_log(container.log_path).decode().splitlines()
    assert written == ["x", str(tmp_path / "volume"), "/codecourier/workspace /a/codecourier/work"]
    assert container.termination_path.read_text() == "told"


async def test_a_command_that_does_not_start_says_why(tmp_path: Path) -> None:
    container = make_container(tmp_path)
    spec = spec_of(container, tmp_path, "true")._replace(command=["/no/such"])
    with pytest.raises(StartError, match="stat /no/such: no such file or directory"):
        await container.start(spec)
    assert container.end().code == 128


async def test_killing_takes_the_process_group_and_a_stray_process_does_not_hold_the_end_up(tmp_path: Path) -> None:
    container = await started(tmp_path, "sleep 600 & echo $!; setsid sleep 3 & wait")
    assert wait_until(lambda: bool(read_log(container.log_path)), timeout_seconds=30)
    child = int(read_log(container.log_path))
    container.kill()
    ended = await container.wait()
    assert ended.code == 137
    assert wait_until(lambda: not _is_alive(child), timeout_seconds=30)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def test_another_process_adopts_a_running_container(tmp_path: Path) -> None:
    container = await started(tmp_path, "trap 'exit 9' TERM; echo up; while :; do sleep 0.1 & wait $!; done")
    assert wait_until(lambda: bool(read_log(container.log_path)), timeout_seconds=30)
    adopted = Container(container.folder)
    assert adopted.is_running()
    end = asyncio.create_task(adopted.wait())
    adopted.signal(signal.SIGTERM)
    assert (await end).code == 9
    await container.wait()


async def test_a_recorded_pid_of_another_process_is_left_alone(tmp_path: Path) -> None:
    container = await started(tmp_path, "true")
    await container.wait()
    state = (container.folder / "state.json").read_text()
    pid = container._read("state.json")["pid"]
    (container.folder / "state.json").write_text(state.replace(f'"pid": {pid}', f'"pid": {os.getpid()}'))
    container.signal(signal.SIGKILL)
    container.kill()
    assert container.first_process() == 0


async def test_leftovers_are_found_and_ended(tmp_path: Path) -> None:
    container = await started(tmp_path, "exec sleep 600")
    assert unknown_pods(tmp_path / "pods", {"uid"}) == []
    assert await asyncio.to_thread(stop_everything, tmp_path, 5) == 1
    assert (await container.wait()).code == 143
    await asyncio.to_thread(remove_pods, unknown_pods(tmp_path / "pods", set()))
    assert list((tmp_path / "pods").iterdir()) == []


async def test_the_environment_is_what_the_spec_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "of the node")
    container = await started(tmp_path, "env")
    await container.wait()
    names = {line.split(b"=")[0] for line in read_log(container.log_path).splitlines()}
    assert names == {b"HOME", b"HOSTNAME", b"PATH", b"PWD"}
