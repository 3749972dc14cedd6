"""What agents get up to: each ends with nothing left running, and with a sentence that says what it did."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from codecourier.kinds.api_resources import RUNS, SPRINT_CHAINS
from codecourier.kube.api import Json
from codecourier.kube.errors import Invalid
from tests.support.team import CHANGE, HELD, Team, reason
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

AWAY = """
away='trap "" TERM HUP INT; while :; do sleep 1; echo "still here" >>escaped.txt; done'
setsid sh -c "$away" {mark} &
(setsid sh -c "$away" {mark} >/dev/null 2>&1 & exit 0)
sh -c "$away" {mark} &
"""
"""Three processes that would rather stay: a session of its own, a double fork, and a plain child."""

WAIT = """
test ! -e first.txt || exec cp first.txt second.txt
echo 1 >first.txt
echo 2 >"$CODECOURIER_RETRY_AFTER_FILE"
exit 75
"""

PROMPT_BYTES = 65_536

CASES = Together()


async def outcome(team: Team, script: str, **workflow: Any) -> Json:
    """Run an agent to the end of its Run; check that it was tried once and that no token is left."""
    await team.workflow(script, **workflow)
    await team.run()
    run = await team.ended()
    assert len(run["status"]["tries"]) == team.agents.count == 1
    await team.assert_tokens_ended()
    return run


def said(run: Json) -> tuple[str, str, str]:
    """Return phase, reason and message of a Run."""
    return run["status"]["phase"], reason(run), run["status"]["message"]


def output_of(run: Json, step: str) -> str:
    """Return the end of the message of a Run whose last try failed in a step."""
    namespace, pod = run["metadata"]["namespace"], run["status"]["tries"][-1]["sandbox"]
    return f"Its output: `kubectl logs -n {namespace} {pod} -c {step}`."


def content(team: Team, run: Json, path: str) -> bytes:
    """Return a file of the branch that a Run pushed."""
    repository = team.cluster.layout.forge / "repositories" / f"{team.repository}.git"
    command = ["git", "-c", "safe.directory=*", "-C", str(repository), "show", f"{run['status']['branch']}:{path}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@CASES.case
async def agent_exits_1(team: Team) -> None:
    run = await outcome(team, f"{CHANGE} exit 1")
    words = f"The agent failed: The agent ended with exit code 1. {output_of(run, 'agent')}"
    assert said(run) == ("Failed", "AgentFailed", words)
    assert content(team, run, "done.txt") == b"done\n"
    assert (len(team.pushes()), team.pulls()) == (1, 0)


@CASES.case
async def agent_exits_1_and_a_draft_is_wanted(team: Team) -> None:
    run = await outcome(team, f"{CHANGE} exit 1", pullRequest={"onFailure": "Draft"})
    words = f"The agent failed: The agent ended with exit code 1. {output_of(run, 'agent')}"
    assert said(run) == ("Failed", "AgentFailed", words)
    assert (run["status"]["pullRequest"]["phase"], run["status"]["pullRequest"]["isDraft"]) == ("Created", True)
    assert (len(team.pushes()), team.pulls()) == (1, 1)


@CASES.case
async def agent_hangs(team: Team) -> None:
    run = await outcome(team, f"{CHANGE} while :; do sleep 1; done", agent={"timeoutSeconds": 2})
    words = f"The agent was stopped at its timeout: The agent was ended after 2 seconds. {output_of(run, 'agent')}"
    assert said(run) == ("Failed", "AgentTimeout", words)
    assert (len(team.pushes()), team.pulls()) == (1, 0)


@CASES.case
async def agent_ignores_sigterm(team: Team) -> None:
    script = f"trap '' TERM HUP INT; {CHANGE} while :; do sleep 1; done # {team.namespace}"
    run = await outcome(team, script, agent={"timeoutSeconds": 2, "gracePeriodSeconds": 1})
    assert said(run)[:2] == ("Failed", "AgentTimeout")
    assert left_behind(team.namespace) == []
    assert (len(team.pushes()), team.pulls()) == (1, 0)


@CASES.case
async def agent_forks_away(team: Team) -> None:
    await team.workflow(AWAY.format(mark=team.namespace) + HELD + CHANGE)
    await team.run()
    pod = await team.running_pod("agent")
    await team.until(lambda: len(left_behind(team.namespace)) == 3)
    team.release(pod)
    run = await team.ended()
    assert said(run)[:2] == ("Completed", "Completed")
    assert left_behind(team.namespace) == []
    assert (len(team.pushes()), team.pulls()) == (1, 1)


def left_behind(mark: str) -> list[str]:
    """Return the command lines of this machine's processes that carry a mark of an agent's."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if line.startswith("sh -c trap ") and mark in line:
            found.append(line)
    return found


@CASES.case
async def agent_changes_nothing(team: Team) -> None:
    run = await outcome(team, "true")
    words = "The agent ended well and changed nothing, so there is no pull request."
    assert said(run) == ("Completed", "NothingToChange", words)
    assert run["status"]["pullRequest"]["phase"] == "Skipped"
    assert (team.pushes(), team.pulls()) == ([], 0)


@CASES.case
async def agent_asks_to_wait(team: Team) -> None:
    """The work so far is pushed, and the next try goes on from it."""
    await team.workflow(WAIT)
    await team.run()
    words = await team.seen("ProviderLimit")
    assert words.startswith("The agent's provider asked to wait. The work goes on from its branch at 2")
    run = await team.ended()
    assert [entry.get("reason") for entry in run["status"]["tries"]] == ["ProviderLimit", "Completed"]
    assert content(team, run, "second.txt") == b"1\n"
    assert (len(set(team.pushes())), len(team.pushes()), team.pulls()) == (1, 2, 1)


def awkward_prompt() -> str:
    """Return a prompt of the greatest length, of all that shells, templates, JSON and YAML stumble over."""
    pieces = (
        "\"'`$(touch /tmp/x) ${HOME} # & ; |",
        "{{ prompt }} {{ sprint.number }} {% x %} %s",
        "\\n \\ \\\\ <!-- ]]>",
        "😀🇩🇪e\u0301\u202e\u00a0",
        "\t\r\n\r",
    )
    piece = " ".join(pieces) + "\n"
    count = PROMPT_BYTES // len(piece.encode())
    text = piece * count
    return text + "x" * (PROMPT_BYTES - len(text.encode()))


READ = 'cat >stdin.txt; cat "$CODECOURIER_PROMPT_FILE" >file.txt'


@CASES.case
async def prompt_arrives_byte_for_byte(team: Team) -> None:
    await team.workflow(READ)
    await team.run(prompt=awkward_prompt())
    run = await team.ended()
    assert run["status"]["phase"] == "Completed", run["status"]["message"]
    wanted = awkward_prompt().encode()
    assert content(team, run, "stdin.txt") == content(team, run, "file.txt") == wanted
    await team.assert_done_once()


@CASES.case
async def prompt_of_a_chain_arrives_byte_for_byte(team: Team) -> None:
    await team.workflow(READ)
    await team.sprint_chain(prompt=awkward_prompt())
    chain = await team.ended("chain", SPRINT_CHAINS)
    assert chain["status"]["phase"] == "Completed", chain["status"]["message"]
    run = await team.get(RUNS, chain["status"]["sprints"][0]["run"])
    assert content(team, run, "stdin.txt") == content(team, run, "file.txt")
    assert content(team, run, "stdin.txt").endswith(awkward_prompt().encode())


@CASES.case
async def prompt_that_the_template_makes_too_long(team: Team) -> None:
    await team.workflow(READ, promptTemplate="{{ prompt }}{{ prompt }}{{ prompt }}")
    await team.run(prompt=awkward_prompt())
    run = await team.ended()
    assert said(run)[:2] == ("Failed", "TaskTooLarge")
    assert run["status"]["message"].startswith("Prompt, context and steps together are too large for a pod: ")
    assert (team.agents.count, team.pushes()) == (0, [])
    await team.assert_tokens_ended()


@CASES.case
async def prompts_that_cannot_arrive_are_refused(team: Team) -> None:
    await team.workflow(READ)
    faults = [
        awkward_prompt() + "x",
        "x" * (PROMPT_BYTES - 3) + "😀",
        *(f"a{chr(code)}b" for code in (0, 7, 8, 11, 27, 127)),
    ]
    for prompt in faults:
        for make in (team.run, team.sprint_chain):
            with pytest.raises(Invalid) as refusal:
                await make(prompt=prompt)
            assert "spec.prompt" in str(refusal.value), ascii(prompt[-10:])


@pytest.mark.parametrize("case", CASES.names)
async def test_agent(played: Played, case: str) -> None:
    await played[case]
