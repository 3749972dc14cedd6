"""Project: the settings of a namespace."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.follow_up import FollowUpPolicy
from codecourier.resources.member import JoinedMember, Member
from codecourier.resources.meta import (
    CustomResource,
    Date,
    KindInfo,
    ListMap,
    ListSet,
    LocalReference,
    Model,
    ObjectName,
    PrinterColumn,
    RepositoryUrl,
    Rule,
    Status,
    Time,
    Uid,
)
from codecourier.resources.retention import Retention

__all__ = [
    "NEVER_OPEN",
    "AdmittedRun",
    "AppCredential",
    "CommitIdentity",
    "DayEnd",
    "EgressRule",
    "Limits",
    "MergeRules",
    "Project",
    "ProjectSpec",
    "ProjectStatus",
]

NEVER_OPEN = (
    "0.0.0.0/8",  # Linux treats 0.0.0.0 as the local host
    "127.0.0.0/8",
    "169.254.0.0/16",  # link-local, with the metadata of most clouds at 169.254.169.254
    "168.63.129.16/32",  # metadata of Azure
    "100.100.100.200/32",  # metadata of Alibaba Cloud
    "192.0.0.192/32",  # metadata of Oracle Cloud
    "::/128",
    "::1/128",
    "fe80::/10",
    "fd00:ec2::254/128",  # metadata of AWS
    "fd20:ce::254/128",  # metadata of Google Cloud
)
"""Ranges that no Project can open to sandbox pods: loopback, link-local and cloud metadata."""

Cidr = Annotated[
    str,
    Field(max_length=43, pattern=r"^[0-9a-f:.]+/[0-9]{1,3}$"),
    Rule(
        "isCIDR(self) && cidr(self).masked() == cidr(self)",
        "must be an address range in CIDR notation without host bits, such as 10.20.0.0/16 or 2001:db8::/32",
    ),
    Rule(
        "!isCIDR(self) || !["
        + ", ".join(f"'{network}'" for network in NEVER_OPEN)
        + "].exists(closed, cidr(closed).containsCIDR(cidr(self)))",
        "must not lie within loopback, link-local or cloud metadata addresses, which stay closed",
    ),
]
"""An address range, IPv4 or IPv6, in CIDR notation."""


class AppCredential(Model):
    """Access by the GitHub App whose key the cluster administrator gave to the operator."""

    installation_id: Annotated[int, Field(ge=1, le=2**53)]
    """Number of the App's installation on the repository's owner, as GitHub's settings page shows it."""


class Repository(Model):
    """A Git repository that Runs of this project may work on, and how to reach it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.credentialRef) != has(self.app)",
            "needs exactly one of credentialRef (a Secret with a token) and app (a GitHub App installation)",
        ),
    )

    url: RepositoryUrl
    """Address of the repository, for example `https://github.com/example/shop`. Without credentials."""

    credential_ref: LocalReference | None = None
    """Secret of this namespace whose key `token` holds a fine-grained personal access token with read and write
    access to contents and pull requests. It cannot be narrowed for a single step: prefer `app`."""

    app: AppCredential | None = None
    """GitHub App installation to mint short-lived tokens from, each narrowed to one repository and one step."""

    is_default: bool = False
    """Whether Runs that name no repository use this one; at most one repository may be the default."""

    former_urls: Annotated[tuple[RepositoryUrl, ...], Field(max_length=8), ListSet()] = ()
    """Addresses that the repository had before it was moved or renamed, up to 8. Clients of the REST API may still name
    it by them; nothing is sent there. Kubernetes objects name it by `url`."""


class Limits(Model):
    """How much may run at the same time."""

    max_concurrent_runs: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many Runs of the project may have a pod at the same time, 1 to 1,000; the others wait as Queued."""


class CommitIdentity(Model):
    """Author and committer of the commits that Runs make."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^<>\x00-\x1f\x7f]+$")] = "CodeCourier"
    """Name in the commits, 1 to 128 characters, without angle brackets and line breaks."""

    email: Annotated[
        str, Field(min_length=3, max_length=254, pattern=r"^[^<>@\x00-\x20\x7f]+@[^<>@\x00-\x20\x7f]+$")
    ] = "codecourier@users.noreply.github.com"
    """E-mail address in the commits, 3 to 254 characters."""


class EgressRule(Model):
    """Addresses that sandbox pods may reach beside the public internet."""

    cidr: Cidr
    """Range of addresses, IPv4 or IPv6, for example `10.20.0.0/16` for a private network, `203.0.113.7/32` for one
    host or `0.0.0.0/0` for every public address. Private addresses within a range stay closed unless an entry names
    the private range itself or a part of it; loopback, link-local, cloud metadata and the API server never open."""

    ports: Annotated[tuple[Annotated[int, Field(ge=1, le=65_535)], ...], Field(min_length=1, max_length=16), ListSet()]
    """TCP ports, 1 to 16 of them, each 1 to 65,535, for example `[443]` or `[80, 3128]`."""

    description: Annotated[str, Field(max_length=256)] = ""
    """What these addresses are for, up to 256 characters; for example `Git server of the office`."""


class MergeRules(Model):
    """What MergeJobs may do that is refused by default."""

    allow_forks: bool = False
    """Whether pull requests from forks may be merged. Even then one is left out unless a user who may write to the
    repository has approved exactly the commit that is merged: its code runs in the sandbox, and in the repository's CI
    with its secrets."""

    allow_no_checks: bool = False
    """Whether a Single merge passes its gate where no rule requires a check and none was reported; absent: such a merge
    waits and then fails. Checks that are required, or that were reported, must pass either way."""


class ProjectSpec(Model):
    """The settings of a namespace."""

    repositories: Annotated[
        tuple[Repository, ...],
        Field(min_length=1, max_length=50),
        ListMap(("url",)),
        Rule("self.filter(r, r.isDefault).size() <= 1", "at most one repository may have isDefault: true"),
    ]
    """Repositories that Runs may work on, 1 to 50, each address once. A Run that names another one is refused."""

    members: Annotated[tuple[Member, ...], Field(max_length=100), ListMap(("kind", "name"))] = ()
    """Who may do what in this namespace, up to 100 members. The operator makes one RoleBinding for each, and removes
    those of members that are no longer named; other RoleBindings are left alone. Only users who may bind a role can
    give or take it here."""

    limits: Limits = Field(default_factory=Limits)
    """How much may run at the same time."""

    commit_identity: CommitIdentity = Field(default_factory=CommitIdentity)
    """Author and committer of the commits that Runs make."""

    egress: Annotated[tuple[EgressRule, ...], Field(max_length=32), ListMap(("cidr",))] = ()
    """What sandbox pods may reach beside DNS and the public internet on port 443, up to 32 ranges: private Git
    hosts, proxies, model gateways. They reach nothing else, and nothing reaches them, if the cluster's network
    enforces NetworkPolicies."""

    merge_workflow_ref: LocalReference | None = None
    """Workflow of this namespace whose agent resolves conflicts of merges, and whose verify steps try what was merged;
    absent: each MergeJob names one itself."""

    merges: MergeRules = Field(default_factory=MergeRules)
    """What MergeJobs may do that is refused by default."""

    follow_up: FollowUpPolicy = Field(default_factory=FollowUpPolicy)
    """After what an agent continues a pull request by itself; off unless set."""

    retention: Retention = Field(default_factory=Retention)
    """How long finished Runs, Notifications, UsageRecords and the like stay."""

    suspend: bool = False
    """Whether the whole project is paused: no further Run starts; Running ones go on."""


class AdmittedRun(Model):
    """A Run that has a place to run."""

    name: ObjectName
    """Name of the Run."""

    uid: Uid
    """UID of the Run: a Run recreated under the same name waits for its own place."""

    attempt: Annotated[int, Field(ge=1, le=1000)]
    """The Run's attempt that the place is for, 1 to 1,000."""

    try_number: Annotated[int, Field(ge=1, le=100)]
    """The try within the attempt that the place is for, 1 to 100. A place is for one try, so a stale copy of this
    list never starts a second one."""

    admission_time: Time
    """When the Run got the place."""


class DayEnd(Model):
    """A day that is over."""

    day: Date
    """The day, such as `2026-11-30`."""

    time: Time
    """When the operator saw that it is over. From an hour after that it seals the days up to this one, and deletes what
    is not kept any longer."""


class ProjectStatus(Status):
    """What the operator reports about the project."""

    admitted: Annotated[tuple[AdmittedRun, ...], Field(max_length=1000), ListMap(("uid",))] = ()
    """Runs that hold a place. The operator adds a Run to this list before it starts it, and starts no other. An
    entry whose try is over no longer takes a place; it may remain until the list changes for another reason."""

    credential_failure_time: Time | None = None
    """When a repository's credential last began to fail; a failure within an hour after it worked is the same one."""

    release_time: Time | None = None
    """A Project that is being deleted waits for pull requests until then; absent while a pod of its Runs may work."""

    day_end: DayEnd | None = None
    """The last day that the operator saw to be over, while there was something to seal or to delete; absent before."""

    members: Annotated[tuple[JoinedMember, ...], Field(max_length=100), ListMap(("kind", "name"))] = ()
    """Members that have their role. One that is no longer named in the spec leaves this list."""

    notified: Annotated[tuple[ObjectName, ...], Field(max_length=64), ListSet()] = ()
    """Names of Notifications that were made for the project's present problems, so that none is made twice."""


class Project(CustomResource):
    """Settings of a namespace: its repositories, their credentials, its limits.

    A namespace is a project. It has exactly one Project object, which must be named `default`.
    """

    info: ClassVar[KindInfo] = KindInfo(
        kind="Project",
        plural="projects",
        short_names=("ccp",),
        columns=(
            PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            PrinterColumn("Reason", ".status.conditions[?(@.type=='Ready')].reason"),
            PrinterColumn("Limit", ".spec.limits.maxConcurrentRuns", type="integer"),
            PrinterColumn("Suspended", ".spec.suspend", type="boolean"),
            PrinterColumn("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        is_reported=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name == 'default'",
            "a namespace has one Project and its name must be 'default'",
            field_path=".metadata.name",
        ),
    )

    kind: str = "Project"
    spec: ProjectSpec
    status: ProjectStatus = Field(default_factory=ProjectStatus)
