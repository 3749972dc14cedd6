import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from codecourier.cli import app
from codecourier.local.cluster import LocalCluster


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["local", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """Return the option for a state folder without a cluster."""
    return f"--state-dir={tmp_path / 'state'}"


@pytest.mark.parametrize("command", [["status"], ["kubeconfig"], ["logs", "pod", "container"]])
def test_without_a_cluster_the_command_for_one_is_named(nowhere: str, command: list[str]) -> None:
    code, output = run(*command, nowhere)
    assert code == 1
    assert "run `codecourier local up`" in output


def test_down_without_a_cluster_is_no_error(nowhere: str, tmp_path: Path) -> None:
    code, output = run("down", nowhere)
    assert code == 0
    assert "There was no cluster" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["up", "down", "status", "kubeconfig"])
def test_a_state_folder_that_is_a_file_is_named(tmp_path: Path, command: str) -> None:
    file = tmp_path / "file"
    file.touch()
    code, output = run(command, f"--state-dir={file}")
    assert code == 1
    assert "file" in output
    assert "Traceback" not in output


def test_logs_of_an_unknown_component_name_the_known_ones(nowhere: str) -> None:
    code, output = run("logs", "scheduler", nowhere)
    assert code == 1
    assert "there is no component scheduler; components are: etcd, kube-apiserver" in output


def test_logs_of_a_component_that_was_never_started_say_so(nowhere: str) -> None:
    code, output = run("logs", "etcd", nowhere)
    assert code == 1
    assert "etcd has not been started" in output


def test_up_without_any_way_to_a_control_plane_lists_the_ways(
    nowhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("CODECOURIER_CONTROLPLANE", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(variable, raising=False)
    code, output = run("up", nowhere)
    assert code == 1
    for way in ("CODECOURIER_CONTROLPLANE", "KUBEBUILDER_ASSETS", "the cache", "kind", "releases", "needs Go 1.26"):
        assert way in output
    assert "Traceback" not in output


@pytest.mark.cluster
def test_the_commands_tell_about_a_running_cluster(cluster: LocalCluster) -> None:
    option = f"--state-dir={cluster.layout.root}"
    code, output = run("up", "--no-operator", "--no-rest-api", option)
    assert code == 0
    assert "was up already: attached to it" in output
    assert f"CODECOURIER_FORGE_HOSTS={cluster.forge_url.removeprefix('https://')} " in output
    code, output = run("status", option)
    assert code == 0
    assert output.count("ready") == 5
    code, output = run("kubeconfig", option)
    assert code == 0
    assert os.access(output.strip(), os.R_OK)
    assert run("logs", "kube-apiserver", option)[0] == 0
    code, output = run("logs", "nobody", "agent", option)
    assert code == 1
    assert output.strip().endswith('was answered with 404: pods "nobody" not found')
