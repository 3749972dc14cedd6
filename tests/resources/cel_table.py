"""What each CEL rule accepts and refuses, written by hand.

Immutability and lengths of names follow from the rule itself, so `cel_cases` makes those. For the others there are two
tables: rules on a value, by message, tried wherever the value occurs; rules on an object, by kind, place and message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codecourier.address import ADDRESS_FORM, ISSUE_FORM, PULL_REQUEST_FORM
from codecourier.resources.project import NEVER_OPEN
from tests.resources.samples import ABSENT, SINGLE
from tests.support.addresses import ADDRESSES, ISSUES, NO_ADDRESSES, NO_ISSUES, NO_PULL_REQUESTS, PULL_REQUESTS

Changes = Mapping[str, Any]
"""Values by place, with dots; `ABSENT` takes a field away."""


@dataclass(frozen=True)
class Values:
    """Values for the place that the rule stands at."""

    accepted: Sequence[Any]
    refused: Sequence[Any]


@dataclass(frozen=True)
class Update:
    """Changes of a full manifest: what is there before (None: the object is created) and what is asked for."""

    new: Changes
    old: Changes | None = None


@dataclass(frozen=True)
class Objects:
    """Objects that a rule is tried with."""

    accepted: Sequence[Update]
    refused: Sequence[Update]
    field_path: str = field(default="")
    """Where the rule's `fieldPath` points to, behind the place."""


_CONTROLS = [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F]

VALUES: Mapping[str, Values] = {
    "must be a branch name that git accepts (see git check-ref-format), without refs/heads/": Values(
        accepted=["main", "feature/x.y-z", "a@b", "refs", "ünï/☃", "a.locked", "{a}"],
        refused=["-a", "/a", "a/", "a.", "a..b", "a//b", "a@{b", "a.lock", "a/.b", ".a", "refs/heads/a", "@"],
    ),
    f"must be {ADDRESS_FORM}": Values(accepted=ADDRESSES, refused=NO_ADDRESSES),
    f"must be {ISSUE_FORM}": Values(accepted=ISSUES, refused=NO_ISSUES),
    f"must be {PULL_REQUEST_FORM}": Values(accepted=PULL_REQUESTS, refused=NO_PULL_REQUESTS),
    "must not begin with 'system:', which is for Kubernetes' own users and groups": Values(
        accepted=["alice@example.com", "codecourier:shop:ci", "systems:a"], refused=["system:masters", "system:"]
    ),
    "must be at most 65536 bytes of UTF-8": Values(
        accepted=["é" * 32_768, "😀" * 16_384], refused=["é" * 32_768 + "a", "😀" * 16_385]
    ),
    "must be at most 32768 bytes of UTF-8": Values(accepted=["é" * 16_384], refused=["é" * 16_384 + "a"]),
    "must not contain control characters other than tab, newline and carriage return": Values(
        accepted=["a\tb\nc\rd", "\u0080\u200b\u2028\ufeff", "{{ x }} ${y} $(z) `'\"\\"],
        refused=[f"a{chr(code)}b" for code in _CONTROLS],
    ),
    "must be at most 1024 bytes of UTF-8": Values(
        accepted=["é" * 512, "😀" * 256], refused=["é" * 512 + "a", "😀" * 256 + "a"]
    ),
    "must not contain characters that are not shown, other than tab, newline and carriage return": Values(
        accepted=["a\tb\nc\rd", "👩\u200d💻❤\ufe0f \u0645\u200c\u062e", "{{ x }} ${y} $(z) `'\"\\"],
        refused=[
            *(f"a{chr(code)}b" for code in (*_CONTROLS, 0x80, 0x9F, 0x200B, 0x200E, 0x200F, 0x2028, 0x202E)),
            *(f"a{chr(code)}b" for code in (0x2060, 0x2066, 0x206F, 0xFEFF, 0xE0000, 0xE0041, 0xE0FFF)),
            *(f"a{chr(code)}b" for code in (0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x2065)),
            *(f"a{chr(code)}b" for code in (0x2800, 0x3164, 0xFE00, 0xFE0D, 0xFFA0, 0xFFF0, 0xFFFB, 0x1D173, 0x1D17A)),
        ],
    ),
    "must be an address range in CIDR notation without host bits, such as 10.20.0.0/16 or 2001:db8::/32": Values(
        accepted=["0.0.0.0/0", "10.20.0.0/16", "203.0.113.7/32", "::/0", "2001:db8::/32", "fd00::1/128"],
        refused=[
            "10.20.0.1/16",
            "10.0.0.0/33",
            "10.0.0/8",
            "256.0.0.0/8",
            "010.0.0.0/8",
            "2001:db8::1/32",
            "::ffff:a00:0/104",
        ],
    ),
    "must not lie within loopback, link-local or cloud metadata addresses, which stay closed": Values(
        accepted=["8.0.0.0/5", "168.63.129.0/24", "fc00::/7", "169.0.0.0/8"],
        refused=[*NEVER_OPEN, "169.254.169.254/32", "169.254.0.0/17", "127.0.0.1/32", "fe80::1/128"],
    ),
    "must be the name of an IANA time zone, such as Europe/Berlin or UTC": Values(
        accepted=["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "W-SU", "EST5EDT"],
        refused=["Local", "Mars/Olympus", "Europe/berlin-mitte", "GMT+25"],
    ),
    "must be a day of the years 2000 to 2999": Values(
        accepted=["2000-01-01", "2024-02-29", "2999-12-31"],
        refused=["0000-01-01", "0001-01-01", "1999-12-31", "3000-01-01", "9999-12-31"],
    ),
    "names that start with CODECOURIER_ are reserved": Values(
        accepted=["CODECOURIER", "codecourier_x", "MY_CODECOURIER_X"],
        refused=["CODECOURIER_", "CODECOURIER_PROMPT_FILE"],
    ),
}


def _repository(number: int, *, default: bool) -> dict[str, Any]:
    url = f"https://example.com/a/{number}"
    return {"url": url, "credentialRef": {"name": "token"}, "isDefault": default}


def _pull_requests(*numbers: int) -> list[str]:
    return [f"https://h.test/a/b/pull/{number}" for number in numbers]


_SINGLE: Changes = {**SINGLE, "spec.pullRequests": _pull_requests(7)}

OBJECTS: Mapping[tuple[str, str, str], Objects] = {
    ("Project", "", "a namespace has one Project and its name must be 'default'"): Objects(
        accepted=[Update({})], refused=[Update({"metadata.name": "other"})], field_path=".metadata.name"
    ),
    ("Project", "spec.repositories", "at most one repository may have isDefault: true"): Objects(
        accepted=[
            Update({"spec.repositories": [_repository(0, default=True), _repository(1, default=False)]}),
            Update({"spec.repositories": [_repository(0, default=False)]}),
        ],
        refused=[Update({"spec.repositories": [_repository(0, default=True), _repository(1, default=True)]})],
    ),
    (
        "Project",
        "spec.repositories.[]",
        "needs exactly one of credentialRef (a Secret with a token) and app (a GitHub App installation)",
    ): Objects(
        accepted=[Update({})],
        refused=[
            Update({"spec.repositories": [_repository(0, default=True) | {"app": {"installationId": 1}}]}),
            Update({"spec.repositories": [{"url": "https://example.com/a/b"}]}),
        ],
    ),
    (
        "Project",
        "spec.members.[]",
        "must be the name of a ServiceAccount of this namespace: lower-case letters, digits, '-' and '.'",
    ): Objects(
        accepted=[Update({"spec.members": [{"kind": "ServiceAccount", "name": "a-b.c", "role": "Viewer"}]})],
        refused=[Update({"spec.members": [{"kind": "ServiceAccount", "name": "other:a", "role": "Viewer"}]})],
        field_path=".name",
    ),
    ("Run", "spec", "merge is for the Runs of another object: set origin as well"): Objects(
        accepted=[Update({}), Update({"spec.merge": ABSENT, "spec.followUp": ABSENT, "spec.origin": ABSENT})],
        refused=[Update({"spec.followUp": ABSENT, "spec.origin": ABSENT})],
    ),
    ("Run", "spec", "followUp is for the Runs of another Run: set origin as well"): Objects(
        accepted=[Update({}), Update({"spec.merge": ABSENT, "spec.followUp": ABSENT, "spec.origin": ABSENT})],
        refused=[Update({"spec.merge": ABSENT, "spec.origin": ABSENT})],
    ),
    ("SprintChain", "spec.sprintRange", "first must not be greater than last"): Objects(
        accepted=[Update({"spec.sprintRange": {"first": 3, "last": 3}})],
        refused=[Update({"spec.sprintRange": {"first": 4, "last": 3}, "spec.resumeFromSprint": ABSENT})],
    ),
    ("SprintChain", "spec.sprintRange", "a chain has at most 100 sprints"): Objects(
        accepted=[Update({"spec.sprintRange": {"first": 7, "last": 106}})],
        refused=[Update({"spec.sprintRange": {"first": 7, "last": 107}})],
    ),
    (
        "SprintChain",
        "spec",
        "resumeFromSprint is a zero-based index and must lie within sprintRange",
    ): Objects(
        accepted=[
            Update({"spec.sprintRange": {"first": 5, "last": 9}, "spec.resumeFromSprint": 4}),
            Update({"spec.resumeFromSprint": ABSENT}),
        ],
        refused=[Update({"spec.sprintRange": {"first": 5, "last": 9}, "spec.resumeFromSprint": 5})],
        field_path=".resumeFromSprint",
    ),
    ("MergeJob", "spec", "a Single merge has exactly one pull request"): Objects(
        accepted=[Update(_SINGLE)], refused=[Update({**_SINGLE, "spec.pullRequests": _pull_requests(7, 8)})]
    ),
    ("MergeJob", "spec", "all pull requests must be of one repository"): Objects(
        accepted=[
            Update({"spec.pullRequests": ["https://h.test/A/b/pull/7", "https://H.test/a/B/pull/8"]}),
            Update({"spec.pullRequests": ["https://h.test/pull/pull/pull/7", "https://h.test/pull/pull/pull/8"]}),
        ],
        refused=[
            Update({"spec.pullRequests": ["https://h.test/a/b/pull/7", "https://h.test/a/c/pull/8"]}),
            Update({"spec.pullRequests": ["https://h.test/a/b/pull/7", "https://i.test/a/b/pull/8"]}),
            Update({"spec.pullRequests": ["https://h.test/pull/b/pull/7", "https://h.test/pull/c/pull/8"]}),
        ],
    ),
    ("MergeJob", "spec", "each pull request may be listed once"): Objects(
        accepted=[Update({"spec.pullRequests": _pull_requests(1, 11, 111)})],
        refused=[
            Update({"spec.pullRequests": ["https://h.test/a/b/pull/7", "https://h.test/A/b/pull/7"]}),
            Update({"spec.pullRequests": ["https://h.test/pull/b/pull/7", "https://h.test/Pull/b/pull/7"]}),
        ],
    ),
    ("MergeJob", "spec", "mergeStrategy and skipCiCheck are for mode Single"): Objects(
        accepted=[Update({}), Update({**_SINGLE, "spec.mergeStrategy": "Rebase", "spec.skipCiCheck": True})],
        refused=[Update({"spec.mergeStrategy": "Squash"}), Update({"spec.skipCiCheck": True})],
    ),
    (
        "MergeJob",
        "spec",
        "branchName, title, prompt, maxAttempts and closeSources are for mode Combine",
    ): Objects(
        accepted=[Update({"spec.closeSources": True}), Update(_SINGLE)],
        refused=[
            Update({**_SINGLE, "spec.branchName": "a"}),
            Update({**_SINGLE, "spec.title": "a"}),
            Update({**_SINGLE, "spec.prompt": "a"}),
            Update({**_SINGLE, "spec.maxAttempts": 1}),
            Update({**_SINGLE, "spec.closeSources": True}),
        ],
    ),
    ("Learning", "spec", "must name a repository, a Workflow or both"): Objects(
        accepted=[Update({}), Update({"spec.workflowRef": ABSENT}), Update({"spec.repositoryUrl": ABSENT})],
        refused=[Update({"spec.workflowRef": ABSENT, "spec.repositoryUrl": ABSENT})],
    ),
    ("RecurringTask", "spec", "dayOfWeek is for frequency Weekly or Biweekly"): Objects(
        accepted=[
            Update({"spec.frequency": "Biweekly"}),
            Update({"spec.frequency": "Daily", "spec.dayOfWeek": ABSENT}),
        ],
        refused=[Update({"spec.frequency": "Daily"}), Update({"spec.frequency": "Monthly"})],
        field_path=".dayOfWeek",
    ),
    ("RecurringTask", "spec", "dayOfMonth is for frequency Monthly"): Objects(
        accepted=[Update({"spec.frequency": "Monthly", "spec.dayOfWeek": ABSENT, "spec.dayOfMonth": 31})],
        refused=[Update({"spec.dayOfMonth": 31})],
        field_path=".dayOfMonth",
    ),
}

BASES: Mapping[tuple[str, str], Changes] = {
    ("Run", "spec.origin"): {"spec.merge": ABSENT, "spec.followUp": ABSENT},
    ("MergeJob", "spec.mergeStrategy"): {**SINGLE, "spec.mergeStrategy": "Squash"},
}
"""Changes of a full manifest that lacks a field, so that it can have it, or of one that cannot do without it."""
