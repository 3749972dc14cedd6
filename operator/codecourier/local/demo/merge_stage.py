"""What the demonstration of merges starts from: three pull requests of which two conflict, and two MergeJobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codecourier.kinds.api_resources import MERGE_JOBS, WORKFLOWS
from codecourier.kube.api import Json, KubeApi
from codecourier.local.demo.forge_user import ForgeUser
from codecourier.local.demo.stage import create_placed, open_project, read_example
from codecourier.local.forge.control import ForgeControl
from codecourier.resources.member import Member

__all__ = ["CAREFUL", "LAZY", "PULL_REQUESTS", "MergeStage", "set_merge_stage"]

CAREFUL = "release"
"""The MergeJob whose agent tests what it makes of a conflict."""

LAZY = "release-lazy"
"""The MergeJob whose agent takes one side of a conflict."""

_HEAD = """\
# Prints what a basket costs, in cents: sh price.sh PRICE...
total=0
for price in "$@"; do total=$((total + price)); done
"""
_COUPON = """\
# A coupon takes its value off.
total=$((total - ${COUPON:-0}))
"""
_SHIPPING = """\
# Shipping costs 5.00 unless the goods are worth 20.00.
if [ "$total" -lt 2000 ]; then total=$((total + 500)); fi
"""
_TAIL = 'echo "$total"\n'

_FILES = {
    "README.md": "# shop\n\nA small shop.\n",
    "price.sh": _HEAD + _TAIL,
    "price_test.sh": '[ "$(sh price.sh 2000 3000)" = 5000 ] || { echo "the sum is wrong"; exit 1; }\n',
}

PULL_REQUESTS: Sequence[tuple[str, str, dict[str, str]]] = (
    (
        "opening-hours",
        "Say when the shop is open",
        {"README.md": "# shop\n\nA small shop, open from 9 to 17.\n"},
    ),
    (
        "coupons",
        "Take coupons",
        {
            "price.sh": _HEAD + _COUPON + _TAIL,
            "coupon_test.sh": (
                '[ "$(COUPON=300 sh price.sh 2100)" = 1800 ] || '
                '{ echo "goods for 21.00 with a coupon of 3.00 must cost 18.00"; exit 1; }\n'
            ),
        },
    ),
    (
        "shipping",
        "Charge for shipping",
        {
            "price.sh": _HEAD + _SHIPPING + _TAIL,
            "shipping_test.sh": (
                '[ "$(sh price.sh 1000)" = 1500 ] || { echo "goods for 10.00 must cost 15.00"; exit 1; }\n'
            ),
        },
    ),
)
"""Branch, title and files of each. The last two change the same place of `price.sh`: with both sides kept, the test of
the coupon passes in one order only."""


@dataclass(frozen=True)
class MergeStage:
    """Where the demonstration plays."""

    namespace: str
    repository: str
    """Full name at the forge, `owner/name`."""


async def set_merge_stage(
    api: KubeApi,
    forge: ForgeControl,
    forge_url: str,
    stage: MergeStage,
    *,
    command: list[str] | None = None,
    members: Sequence[Member] = (),
) -> ForgeUser:
    """Make all that the merges need, then the MergeJobs.

    Parameters
    ----------
    api, forge, forge_url
        The cluster and its forge.
    stage
        Where.
    command
        Another agent for the MergeJob `CAREFUL`; None: the one of the example.
    members
        Of the Project.

    Returns
    -------
    ForgeUser
        The owner of the repository.
    """
    token = await open_project(api, forge, forge_url, stage.namespace, stage.repository, files=_FILES, members=members)
    user = ForgeUser(forge, stage.repository, token)
    numbers = [user.open_pull(*pull) for pull in PULL_REQUESTS]
    workflow, lazy = read_example("workflow-merging.yaml"), read_example("workflow-merging.yaml")
    if command is not None:
        workflow["spec"]["agent"]["command"] = command
    lazy["metadata"]["name"] = "lazy"
    lazy["spec"]["env"].append({"name": "MERGING_AGENT", "value": "lazy"})
    urls = [f"{forge_url}/{stage.repository}/pull/{number}" for number in numbers]
    for made in (workflow, lazy):
        await create_placed(api, WORKFLOWS, made, stage.namespace)
    await create_placed(api, MERGE_JOBS, _build_job(CAREFUL, urls, "merging"), stage.namespace)
    await create_placed(api, MERGE_JOBS, _build_job(LAZY, urls, "lazy", attempts=1), stage.namespace)
    return user


def _build_job(name: str, urls: list[str], workflow: str, *, attempts: int | None = None) -> Json:
    """Return the MergeJob of `examples/` for these pull requests and with this Workflow."""
    job = read_example("mergejob.yaml")
    job["metadata"]["name"] = name
    job["spec"] |= {"pullRequests": urls, "workflowRef": {"name": workflow}}
    if attempts is not None:
        job["spec"]["maxAttempts"] = attempts
    return job
