"""What real kubelets do with pods: each ends in bounded time with its reason, and people read what it waits for."""

from __future__ import annotations

from functools import partial

import pytest

from codecourier.kinds.api_resources import SANDBOXES, USAGE_RECORDS
from codecourier.kube.api import EVENTS, PODS, Json
from codecourier.local.processnode.troubles import LOGS, OUT_OF_MEMORY, SANDBOX
from tests.support.git_https import git
from tests.support.team import CHANGE, HELD, Team, reason
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()

HUNGRY = "dd if=/dev/zero of=/dev/null bs=200M count=100000 2>/dev/null\n"
"""An agent's child that is killed for memory; the agent itself goes on."""

SUMMARY = 'echo "All is well." >"$CODECOURIER_SUMMARY_FILE"\n'

OWN = """
set -e
chmod +x README.md
chmod 0755 .
touch -d 2001-02-03 README.md .
cp -p README.md copy
cp -a src/. .
mkdir ../box
tar -C src -cf ../box/x.tar .
tar -xf ../box/x.tar
git checkout -q HEAD -- src
rm -rf src
git checkout -q HEAD -- src
git add --all
git update-index --chmod=+x src/app.sh
git commit -qm mine
{ ls -d /codecourier/token /codecourier/courier || :; } >reach.txt 2>/dev/null
printf 'ghs_%s' 012345678901234567890123456789012345 >"$HOME/planted"
find='grep -rIls ghs_[0-9A-Za-z]\\{30\\}'
$find /codecourier /tmp /proc/[0-9]*/environ /proc/[0-9]*/cmdline >>reach.txt || :
"""
"""An agent that treats the checkout as a clone of its own, and looks for a credential."""


async def annotate(team: Team, pod: Json, name: str, value: str) -> None:
    """Ask the node for trouble with a pod."""
    await team.patch(PODS, pod["metadata"]["name"], {"metadata": {"annotations": {name: value}}})


async def memory_of_a_child(team: Team, *, way: str) -> None:
    """A child of the agent is killed for memory and the agent exits 0."""
    await team.workflow(f"{HELD}{HUNGRY}{CHANGE}")
    await team.run()
    pod = await team.running_pod("agent")
    await annotate(team, pod, OUT_OF_MEMORY, way)
    team.release(pod)
    run = await team.ended()
    assert (run["status"]["phase"], reason(run)) == ("Failed", "OutOfMemory")
    assert run["status"]["message"].startswith("Step agent needed more memory than its limit")
    assert len(run["status"]["tries"]) == team.agents.count == 1
    await team.assert_tokens_ended()


for memory_way in ("container", "process", "process-uncounted"):
    CASES.add(f"memory-{memory_way}", partial(memory_of_a_child, way=memory_way))


async def never_starts(team: Team, *, image: str, words: str) -> None:
    """The agent's image never comes: said while it lasts, and ended at the limit."""
    await team.workflow("true", image=image, startTimeoutSeconds=12)
    await team.run()
    said = await team.seen("Starting")
    assert said == f"Step agent waits to start: {words}"
    run = await team.ended()
    assert (run["status"]["phase"], reason(run)) == ("Failed", "StartTimeout")
    assert run["status"]["message"] == f"Step agent did not start within 12 seconds: {words}"
    events = (await team.api.list(EVENTS, team.namespace)).items
    assert any(event.get("note") == said and event["regarding"]["kind"] == "Sandbox" for event in events)
    await team.assert_tokens_ended()


PULL = 'ImagePullBackOff: Back-off pulling image "codecourier.dev/unpullable:1": not found'
CREATE = "CreateContainerError: failed to create containerd container: get apparmor_parser version: not found"
CASES.add("image-never-comes", partial(never_starts, image="codecourier.dev/unpullable:1", words=PULL))
CASES.add("container-cannot-be-created", partial(never_starts, image="codecourier.dev/uncreatable:1", words=CREATE))


@CASES.case
async def image_without_a_shell(team: Team) -> None:
    """The runtime's sentence is quoted, nothing is tried again, and no usage counts from 1970."""
    await team.workflow("true", image="codecourier.dev/without-shell:1")
    await team.run()
    run = await team.ended()
    assert (run["status"]["phase"], reason(run)) == ("Failed", "StepNotStarted")
    assert 'exec: "sh": executable file not found in $PATH' in run["status"]["message"]
    assert len(run["status"]["tries"]) == 1
    (record,) = (await team.api.list(USAGE_RECORDS, team.namespace)).items
    assert record["spec"]["items"][0]["quantity"] < 240
    (sandbox,) = (await team.api.list(SANDBOXES, team.namespace)).items
    assert [step["name"] for step in sandbox["status"]["steps"] if "startTime" not in step] == ["agent"]


@CASES.case
async def sandbox_dies(team: Team) -> None:
    """The node stops the containers of a pod and makes no new ones: tried again, as it is not the agent's fault."""
    await team.workflow(f"{HELD}{CHANGE}")
    await team.run()
    pod = await team.running_pod("agent")
    await annotate(team, pod, SANDBOX, "dead")
    team.release(await team.running_pod("agent", number=2))
    run = await team.ended()
    assert [(t["phase"], t["reason"]) for t in run["status"]["tries"]] == [
        ("Failed", "SandboxRestarted"),
        ("Completed", "Completed"),
    ]
    await team.assert_done_once(agents=2)


@CASES.case
async def logs_cannot_be_read(team: Team) -> None:
    """The API server does not reach the node: people read what the Sandbox waits for, and nothing is lost."""
    await team.workflow(f"{HELD}{CHANGE}{SUMMARY}")
    await team.run()
    pod = await team.running_pod("agent")
    await annotate(team, pod, LOGS, "unreachable")
    team.release(pod)
    said = await team.sandbox_says("LogDelayed")
    assert said.startswith(f"Pod {pod['metadata']['name']} has ended, but the API server cannot read the log")
    assert (await team.seen("LogDelayed")) == said
    await annotate(team, pod, LOGS, "")
    run = await team.ended()
    assert (run["status"]["phase"], run["status"]["summary"]) == ("Completed", "All is well.")
    await team.assert_done_once()


@CASES.case
async def tree_is_the_agents_own(team: Team) -> None:
    """All that works in one's own clone works, in a setup step too, and no credential is in reach."""
    setup = ["mkdir src && echo true >src/app.sh && chmod +x src/app.sh && ./src/app.sh && chmod 0644 src/app.sh"]
    setup += ["git add src && git commit -qm setup && touch -d 2001-02-03 README.md src"]
    await team.workflow(OWN, setup=setup)
    await team.run()
    run = await team.ended()
    assert run["status"]["phase"] == "Completed", run["status"]["message"]
    repository = team.cluster.layout.forge / "repositories" / f"{team.repository}.git"
    branch = run["status"]["branch"]
    modes = git(repository, "ls-tree", "-r", "--format=%(objectmode) %(path)", branch).split("\n")
    assert modes == [
        "100755 README.md",
        "100644 app.sh",
        "100755 copy",
        "100644 reach.txt",
        "100755 src/app.sh",
    ]
    assert git(repository, "show", f"{branch}:reach.txt") == "/codecourier/home/planted"
    await team.assert_done_once()


@pytest.mark.parametrize("case", CASES.names)
async def test_kubelet(played: Played, case: str) -> None:
    await played[case]
