"""Every example is taken by the real API server, and says the same as what it refers to."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from codecourier.resources.registry import KINDS
from codecourier.resources.workflow import Workflow
from tests.resources.api import connect, resources_path
from tests.resources.samples import crds

FOLDER = Path(__file__).parents[2] / "examples"
MANIFESTS = sorted(FOLDER.glob("*.yaml"))
WORKFLOWS = sorted(FOLDER.glob("workflow-*.yaml"))
BY_KIND = {kind.info.kind: kind for kind in KINDS}

ANSWERS = {
    "claude-code": (
        '{"type":"result","result":"Title\\n\\nBody","is_error":false,"total_cost_usd":0.5,"usage":{"input_tokens":10,'
        '"output_tokens":5,"cache_creation_input_tokens":2,"cache_read_input_tokens":3}}'
    ),
    "codex-cli": (
        '{"type":"thread.started","thread_id":"a"}\n{"type":"item.completed","item":{"type":"agent_message","text":"x"}}\n'
        '{"type":"turn.completed","usage":{"input_tokens":13,"cached_input_tokens":3,"output_tokens":7}}'
    ),
    "gemini-cli": (
        '{"response":"Title\\n\\nBody","stats":{"models":{"gemini-x":{"tokens":{"input":12,"candidates":8,"total":20}}}}}'
    ),
    "opencode": (
        '{"type":"text","part":{"text":"Title\\n\\nBody"}}\n{"type":"step_finish","part":{"cost":0.5,"tokens":'
        '{"input":10,"output":5,"reasoning":0,"cache":{"read":3,"write":2}}}}'
    ),
}
"""What the pinned versions of the agents print, shortened to what the Workflows read."""


def documents(path: Path) -> list[Any]:
    """Return the objects of a file, at least one."""
    found = [*yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    assert found
    return found


def names(files: list[Path]) -> list[str]:
    """Return the names of files, to name tests by."""
    return [path.stem for path in files]


@pytest.mark.cluster
@pytest.mark.parametrize("path", MANIFESTS, ids=names(MANIFESTS))
async def test_the_api_server_takes_it(path: Path, kubeconfig: Path) -> None:
    definitions = crds()
    async with connect(kubeconfig) as api, api.namespace() as namespace:
        for document in documents(path):
            where = resources_path(definitions[document["kind"]], namespace)
            answer = await api.ask("POST", where, document, dryRun="All", fieldValidation="Strict")
            assert answer.code == 201, answer.body["message"]


@pytest.mark.parametrize("path", MANIFESTS, ids=names(MANIFESTS))
def test_the_models_take_it_and_its_workflow_exists(path: Path) -> None:
    workflows = {document["metadata"]["name"] for file in WORKFLOWS for document in documents(file)}
    for document in documents(path):
        BY_KIND[document["kind"]].model_validate(document)
        assert document["spec"].get("workflowRef", {"name": "scripted"})["name"] in workflows


def test_the_readme_lists_every_file() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in MANIFESTS if f"`{path.name}`" not in readme] == []


@pytest.mark.parametrize("name", ["merging", "scripted"])
def test_a_workflow_holds_the_script_of_its_agent(name: str) -> None:
    (document,) = documents(FOLDER / f"workflow-{name}.yaml")
    script = (FOLDER / "agent" / f"{name}_agent.sh").read_text(encoding="utf-8")
    assert document["spec"]["agent"]["command"] == ["sh", "-c", script]


@pytest.mark.parametrize("name", ANSWERS)
def test_image_and_workflow_agree_on_the_version(name: str) -> None:
    image: str = documents(FOLDER / f"workflow-{name}.yaml")[0]["spec"]["image"]
    dockerfile = (FOLDER / "agents" / name / "Dockerfile").read_text(encoding="utf-8")
    pinned = re.search(r"npm install --global \S+@(\d\S*)", dockerfile)
    assert pinned
    assert image == f"registry.example.com/agents/{name}:{pinned[1]}"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed; the images have it")
@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("name", ANSWERS)
def test_what_the_agent_prints_becomes_summary_and_usage(name: str, code: int, tmp_path: Path) -> None:
    workflow = Workflow.model_validate(documents(FOLDER / f"workflow-{name}.yaml")[0])
    program = tmp_path / workflow.spec.agent.command[2].split("$(mktemp)\n")[1].split()[0]
    program.write_text(
        f"#!/bin/sh\ncat >{tmp_path}/stdin\n{LAST_MESSAGE}cat <<'END'\n{ANSWERS[name]}\nEND\nexit {code}\n"
    )
    program.chmod(0o755)
    environment = {variable.name: variable.value for variable in workflow.spec.env} | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "CODEX_HOME": str(tmp_path / "codex"),
        "CODECOURIER_SUMMARY_FILE": str(tmp_path / "summary.md"),
        "CODECOURIER_USAGE_FILE": str(tmp_path / "usage.jsonl"),
    }
    command = workflow.spec.agent.command
    result = subprocess.run(command, input=b"the prompt", env=environment, capture_output=True, timeout=60, check=False)
    assert result.returncode == code, result.stderr
    assert (tmp_path / "stdin").read_bytes() == b"the prompt"
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("Title\n\nBody")
    usage = yaml.safe_load((tmp_path / "usage.jsonl").read_text(encoding="utf-8"))
    assert (usage["kind"], usage["unit"], usage["quantity"]) == ("Tokens", "Token", 20)
    assert usage.get("costUsd", 0) in {0, 0.5}


LAST_MESSAGE = """\
while [ $# -gt 0 ]; do
  if [ "$1" = --output-last-message ]; then printf 'Title\\n\\nBody' >"$2"; fi
  shift
done
"""
"""How Codex hands out its last message."""
