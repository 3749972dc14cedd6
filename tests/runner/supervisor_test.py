"""The supervisor, run by this machine's sh; also as PID 1 of a PID namespace, where that is allowed."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codecourier.local.processes import wait_until
from codecourier.runner.control import write_control
from codecourier.task import StepReport, StepState, Task
from tests.support.sandbox import Ended, Pod, make_task

_UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
_HAS_NAMESPACES = subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode == 0
_TOOLS = ("cat", "mkdir", "rm", "sleep")
"""All that the supervisor needs of an image beside sh."""


def _pod(tmp_path: Path, task: Task) -> Pod:
    pod = Pod(tmp_path / "pod", task)
    pod.workspace.mkdir()
    write_control(task, str(pod.volumes / "control"))
    return pod


def _agent(script: str, **changes: object) -> Task:
    return make_task(agent_command=("sh", "-c", script), grace_period_seconds=1, **changes)


def _run(tmp_path: Path, task: Task, **variables: str) -> tuple[Ended, Pod]:
    pod = _pod(tmp_path, task)
    ended = pod.run("agent", **variables)
    assert ended.exit_code == 0
    assert json.loads((pod.reports / "steps" / "agent.json").read_text()) == json.loads(ended.message)
    return ended, pod


def _gone(pid_file: Path) -> bool:
    """Whether the process that wrote its id has ended; a zombie that is never reaped has."""
    try:
        status = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


def test_the_agent_is_told_what_the_contract_says(tmp_path: Path) -> None:
    script = """
        set -e
        test "$(pwd)" = "$CODECOURIER_WORKSPACE"
        cat > stdin
        cmp stdin "$CODECOURIER_PROMPT_FILE"
        for file in USAGE LEARNINGS SUMMARY RETRY_AFTER; do
            eval "echo x > \\"\\$CODECOURIER_${file}_FILE\\""
        done
        env > environment
        umask > mask
    """
    prompt = "Say \"hi\" to 'them' \\ $HOME `id` \U0001f680\n\ttwice\r\n"
    task = _agent(script, prompt=prompt, variables={"CODECOURIER_SPRINT_NUMBER": "3", "CODECOURIER_X": "a'b\n$c"})
    ended, pod = _run(tmp_path, task)
    assert ended.report == StepReport("agent", StepState.SUCCEEDED, "AgentSucceeded", "The agent ended.", 0)
    assert (pod.workspace / "stdin").read_bytes() == prompt.encode()
    environment = (pod.workspace / "environment").read_text()
    assert "CODECOURIER_SPRINT_NUMBER=3\n" in environment
    assert "CODECOURIER_X=a'b\n$c\n" in environment
    assert f"CODECOURIER_BASE_COMMIT={'0' * 40}\n" in environment
    assert (pod.workspace / "mask").read_text() == "0002\n"
    assert {path.name for path in pod.reports.iterdir()} == {
        *("usage.jsonl", "learnings.jsonl", "summary.md", "retry-after", "steps"),
    }


def test_words_of_a_command_stay_words(tmp_path: Path) -> None:
    words = ("printf", "<%s>", "a b", "$HOME", "'", '"', "\\", "*", "", "new\nline", "-n", "\u00e9")
    ended, _ = _run(tmp_path, make_task(agent_command=words))
    assert ended.log == "".join(f"<{word}>" for word in words[2:])


def test_a_workflows_own_git_settings_stay(tmp_path: Path) -> None:
    script = "git config --get-all safe.directory; git config --get x.y"
    variables = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "x.y", "GIT_CONFIG_VALUE_0": "z"}
    ended, _ = _run(tmp_path, _agent(script), **variables)
    assert ended.log == "*\nz\n"


@pytest.mark.parametrize("code", [1, 3, 126, 255])
def test_an_agent_that_fails_is_said_to(tmp_path: Path, code: int) -> None:
    ended, pod = _run(tmp_path, _agent(f"echo out; echo err >&2; exit {code}"))
    assert (ended.report.reason, ended.report.exit_code) == ("AgentFailed", code)
    assert ended.log == "out\nerr\n"
    assert (pod.reports / "steps" / "agent.tail").read_text() == "out\nerr\n"


def test_an_agent_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    ended, pod = _run(tmp_path, make_task(agent_command=("no-such-agent",)))
    assert (ended.report.reason, ended.report.exit_code) == ("AgentFailed", 127)
    assert "no-such-agent" in (pod.reports / "steps" / "agent.tail").read_text()


def test_an_agent_that_is_killed_is_said_to_be(tmp_path: Path) -> None:
    ended, _ = _run(tmp_path, _agent("kill -KILL $$"))
    assert (ended.report.reason, ended.report.exit_code) == ("AgentFailed", 137)


def test_setup_comes_first_and_its_failure_ends_it(tmp_path: Path) -> None:
    task = _agent("touch agent-ran", setup=("echo one > one", "test -f one && exit 4", "touch three"))
    ended, pod = _run(tmp_path, task)
    assert (ended.report.reason, ended.report.exit_code) == ("SetupFailed", 4)
    assert ended.report.message == "Setup step 2 of 3 ended with exit code 4."
    assert {path.name for path in pod.workspace.iterdir()} == {"one"}


def test_a_setup_step_may_not_read_the_prompt(tmp_path: Path) -> None:
    _, pod = _run(tmp_path, _agent("cat > agent", setup=("cat > setup",)))
    assert (pod.workspace / "setup").read_text() == ""
    assert (pod.workspace / "agent").read_text() == "Make it better."


@pytest.mark.parametrize(
    ("text", "seconds"), [("120", 120), ("120 seconds", 120), ("soon", None), ("", None), ("01", None)]
)
def test_a_provider_that_says_wait_is_no_failure_of_the_agent(tmp_path: Path, text: str, seconds: int | None) -> None:
    ended, _ = _run(tmp_path, _agent(f'printf "{text}" > "$CODECOURIER_RETRY_AFTER_FILE"; exit 75'))
    assert (ended.report.reason, ended.report.exit_code) == ("ProviderLimit", 75)
    assert ended.report.retry_after_seconds == seconds


def test_an_agent_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    script = "trap 'echo saved > saved; exit' TERM; sleep 300 & wait"
    ended, pod = _run(tmp_path, _agent(script, agent_timeout_seconds=1))
    assert (ended.report.reason, ended.report.exit_code) == ("AgentTimeout", None)
    assert ended.report.message == "The agent was ended after 1 seconds."
    assert (pod.workspace / "saved").exists()


def test_an_agent_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo $$ > pid; while :; do sleep 300; done"
    ended, pod = _run(tmp_path, _agent(script, agent_timeout_seconds=1))
    assert ended.report.reason == "AgentTimeout"
    assert _gone(pod.workspace / "pid")


def test_a_setup_step_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    ended, _ = _run(tmp_path, _agent("true", setup=("sleep 300",), step_timeout_seconds=1))
    assert (ended.report.reason, ended.report.message) == ("SetupTimeout", "Setup step 1 was ended after 1 seconds.")


def test_what_the_agent_leaves_running_is_ended(tmp_path: Path) -> None:
    script = "(trap '' TERM; while :; do sleep 300; done) & echo $! > stray; echo done"
    ended, pod = _run(tmp_path, _agent(script))
    assert (ended.report.reason, ended.log) == ("AgentSucceeded", "done\n")
    assert _gone(pod.workspace / "stray")


def test_a_signal_to_the_supervisor_ends_the_agent(tmp_path: Path) -> None:
    pod = _pod(tmp_path, _agent("trap 'echo saved; exit' TERM; echo $$ > pid; echo ready; sleep 300 & wait"))
    process = subprocess.Popen(
        pod.command("agent"), env=pod.environment("agent", {}), stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate()
    ended = pod.ended("agent", process.returncode, rest.decode())
    assert (ended.exit_code, ended.report.reason, ended.log) == (143, "Terminated", "saved\n")
    assert _gone(pod.workspace / "pid")


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """Make a cgroup of 96 MiB, as a kubelet does for a container on a node that kills single processes."""
    folder = Path("/sys/fs/cgroup/memory", f"codecourier-{secrets.token_hex(4)}")
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(96 * 2**20))
    except OSError:
        pytest.skip("needs root and the memory controller of cgroup v1")
    yield folder
    # The kernel lets go of an ended process a moment after its parent hears of the end.
    assert wait_until(lambda: not (folder / "cgroup.procs").read_text(), timeout_seconds=60)
    folder.rmdir()


_HUNGRY = f"{sys.executable} -S -c 'held = bytearray(400 * 2**20)'"


@pytest.mark.parametrize("script", [f"{_HUNGRY}; echo went on; exit 0", f"{_HUNGRY} & wait; exec sleep 30"])
def test_a_process_killed_for_memory_ends_the_step_whatever_the_agent_says(
    tmp_path: Path, cgroup: Path, script: str
) -> None:
    pod = _pod(tmp_path, _agent(script))
    enter = f'echo $$ >{cgroup}/cgroup.procs && exec "$@"'
    command = ["sh", "-c", enter, "sh", *pod.command("agent")]
    done = subprocess.run(
        command, env=pod.environment("agent", {}), capture_output=True, check=False, start_new_session=True
    )
    ended = pod.ended("agent", done.returncode, done.stdout.decode())
    assert (ended.exit_code, ended.report.state, ended.report.reason) == (137, StepState.FAILED, "OutOfMemory")


def test_only_the_last_of_much_output_is_kept(tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 40000 ]; do echo 'a line of output that is rather long' $i; i=$((i+1)); done; exit 1"
    ended, pod = _run(tmp_path, _agent(script))
    tail = (pod.reports / "steps" / "agent.tail").read_text()
    assert len(tail) == 8192
    assert tail.endswith(" 39999\n")
    assert ended.log.count("\n") == 40_000


def test_sh_and_four_tools_are_enough(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", *_TOOLS):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    task = make_task(agent_command=("sh", "-c", "echo out; cat > got; exit 5"), grace_period_seconds=1)
    ended, pod = _run(tmp_path, task, PATH=str(tools))
    assert (ended.report.reason, ended.report.exit_code, ended.log) == ("AgentFailed", 5, "out\n")
    assert (pod.workspace / "got").read_text() == "Make it better."


@pytest.mark.parametrize(
    ("steps", "reason", "message"),
    [
        (("true", "true"), "Verified", "All verify steps passed."),
        (("true", "exit 9"), "VerifyFailed", "Verify step 2 of 2 ended with exit code 9."),
        (("sleep 300",), "VerifyTimeout", "Verify step 1 was ended after 1 seconds."),
    ],
)
def test_verify_runs_its_steps(tmp_path: Path, steps: tuple[str, ...], reason: str, message: str) -> None:
    _, pod = _run(tmp_path, _agent("true", verify=steps, step_timeout_seconds=1))
    ended = pod.run("verify")
    assert (ended.exit_code, ended.report.reason, ended.report.message) == (0, reason, message)
    assert (ended.report.state is StepState.SUCCEEDED) is (reason == "Verified")


def test_nothing_is_verified_after_a_failed_agent(tmp_path: Path) -> None:
    _, pod = _run(tmp_path, _agent("exit 1", verify=("touch verified",)))
    report = pod.run("verify").report
    assert (report.state, report.reason) == (StepState.FAILED, "NotVerified")
    assert not (pod.workspace / "verified").exists()


def test_hostile_reports_do_not_stop_the_supervisor(tmp_path: Path) -> None:
    script = 'rm -rf "${CODECOURIER_SUMMARY_FILE%/*}/steps"; echo x > "${CODECOURIER_SUMMARY_FILE%/*}/steps"; exit 2'
    pod = _pod(tmp_path, _agent(script, verify=("true",)))
    ended = pod.run("agent")
    assert (ended.exit_code, ended.report.reason, ended.report.exit_code) == (0, "AgentFailed", 2)
    assert pod.run("verify").report.reason == "NotVerified"


@pytest.mark.skipif(not _HAS_NAMESPACES, reason="this machine gives no PID namespaces to us")
def test_as_first_process_it_ends_even_what_forked_away(tmp_path: Path) -> None:
    script = "setsid sh -c 'trap \"\" TERM; while :; do echo alive > heartbeat; sleep 0.05; done' > /dev/null 2>&1 & "
    pod = _pod(
        tmp_path, _agent(script + "until [ -e heartbeat ]; do sleep 0.05; done; echo done", setup=("echo $PPID",))
    )
    command = [*_UNSHARE, *pod.command("agent")]
    environment = pod.environment("agent", {})
    log = subprocess.run(command, env=environment, capture_output=True, check=True).stdout.decode()
    assert pod.ended("agent", 0, log).report.reason == "AgentSucceeded"
    assert log == "1\ndone\n"
    # Our own processes were out of the reach of `kill -1`, as this line shows.
    assert os.getpid() > 1
