"""RecurringTask: a schedule that makes Runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import (
    BranchName,
    CustomResource,
    Date,
    KindInfo,
    ListMap,
    ListSet,
    LocalReference,
    Message,
    Model,
    ObjectName,
    PrinterColumn,
    Prompt,
    ReasonWord,
    RepositoryUrl,
    Rule,
    Status,
    Time,
)
from codecourier.resources.run import RunPhase

__all__ = [
    "MOST_ACTIVE",
    "MOST_RECORDS",
    "RECORD_MESSAGE_LENGTH",
    "ActiveRun",
    "Anchor",
    "ConcurrencyPolicy",
    "Disposition",
    "Frequency",
    "RecurringTask",
    "RecurringTaskPhase",
    "RecurringTaskSpec",
    "RecurringTaskStatus",
    "SlotRecord",
    "SlotTotals",
]

MOST_ACTIVE = 50
"""Most unfinished Runs of a task, whatever its concurrency policy is."""

MOST_RECORDS = 30
"""How many slots the history keeps."""

ZONE_NAME_LENGTH = 32
"""Longest name in the tz database: America/Argentina/ComodRivadavia."""

RECORD_MESSAGE_LENGTH = 1024
"""Longest sentence about a slot in characters."""


class Frequency(StrEnum):
    """How often a schedule is due."""

    DAILY = "Daily"
    EVERY_OTHER_DAY = "EveryOtherDay"
    WEEKLY = "Weekly"
    BIWEEKLY = "Biweekly"
    MONTHLY = "Monthly"


class ConcurrencyPolicy(StrEnum):
    """What happens to a slot that is due while a Run of the task is unfinished."""

    FORBID = "Forbid"
    ALLOW = "Allow"
    REPLACE = "Replace"


class RecurringTaskSpec(Model):
    """When the task is due and what its Runs do. All of it can be changed.

    A change of frequency, zone, time, start date or day begins the schedule anew.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.dayOfWeek) || self.frequency in ['Weekly', 'Biweekly']",
            "dayOfWeek is for frequency Weekly or Biweekly",
            field_path=".dayOfWeek",
        ),
        Rule(
            "!has(self.dayOfMonth) || self.frequency == 'Monthly'",
            "dayOfMonth is for frequency Monthly",
            field_path=".dayOfMonth",
        ),
    )

    frequency: Frequency
    """Daily, EveryOtherDay, Weekly, Biweekly or Monthly. All but Monthly count local calendar days, so every other day
    and every other week keep their rhythm over changes of the offset, ends of months and years."""

    time_zone: Annotated[
        str,
        Field(max_length=ZONE_NAME_LENGTH, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$"),
        Rule(
            "self != 'Local' && timestamp('2000-01-01T00:00:00Z').getHours(self) >= 0",
            "must be the name of an IANA time zone, such as Europe/Berlin or UTC",
        ),
    ]
    """IANA name of the time zone that `hour` and `minute` are read in, such as `Europe/Berlin` or `UTC`."""

    hour: Annotated[int, Field(ge=0, le=23)]
    """Hour of the day, 0 to 23, that a clock of the time zone shows."""

    minute: Annotated[int, Field(ge=0, le=59)]
    """Minute of the hour, 0 to 59. A time that clocks skip is due right after the gap; one that they show twice is due
    the first time."""

    start_date: (
        Annotated[
            Date,
            Rule("self.getFullYear() >= 2000 && self.getFullYear() <= 2999", "must be a day of the years 2000 to 2999"),
        ]
        | None
    ) = None
    """First day that may be due, of the years 2000 to 2999. Set it in manifests that are kept in Git: the schedule then
    counts from it however often the task is made again. Absent: the schedule begins when the operator first sees it."""

    day_of_week: Annotated[int, Field(ge=1, le=7)] | None = None
    """Weekday of a Weekly or Biweekly task, 1 (Monday) to 7 (Sunday); absent: that of its first day."""

    day_of_month: Annotated[int, Field(ge=1, le=31)] | None = None
    """Day of a Monthly task, 1 to 31; a shorter month has it on its last day. Absent: that of its first day."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The task in a few words, up to 200 characters."""

    description: Annotated[str, Field(max_length=4096)] | None = None
    """What the task is for, up to 4,096 characters; for people, no agent reads it."""

    workflow_ref: LocalReference
    """Workflow of this namespace that each Run uses, as it is when the Run starts."""

    prompt: Prompt
    """The task for the agent, each time."""

    repository_url: RepositoryUrl | None = None
    """Repository to work on, one of the Project's; absent: the Project's default."""

    base_branch: BranchName | None = None
    """Branch that each Run starts from; absent: the repository's default branch."""

    suspend: bool = False
    """Whether the task is suspended: slots that are due meanwhile are Skipped and never made up for."""

    concurrency_policy: ConcurrencyPolicy = ConcurrencyPolicy.FORBID
    """What happens to a slot while a Run of the task is unfinished. Forbid: it is Skipped. Allow: it fires (at most 50
    unfinished Runs). Replace: the unfinished Runs are stopped and it fires."""

    starting_deadline_seconds: Annotated[int, Field(ge=10, le=86_400)] = 600
    """How late a slot may still fire, 10 to 86,400 seconds. Of several late slots only the last fires."""

    jitter_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    """Fire up to so many seconds after the slot, 0 to 3,600, always the same for one task: spreads the tasks of a busy
    minute. Slots keep their own times in names and history."""

    pause_after_failures: Annotated[int, Field(ge=0, le=100)] = 5
    """Pause the task after so many failed Runs in a row, 0 to 100; 0: never. A change of the spec, or the annotation
    `codecourier.dev/unpause` with a new value, ends the pause."""

    completed_runs_history_limit: Annotated[int, Field(ge=0, le=100)] = 10
    """How many Completed Runs of the task are kept, 0 to 100; the others go once their days are sealed in DailyStats.
    Runs with a pull request are always kept."""

    failed_runs_history_limit: Annotated[int, Field(ge=0, le=100)] = 10
    """How many Failed and Cancelled Runs of the task are kept, 0 to 100; the others go as Completed ones do."""


class RecurringTaskPhase(StrEnum):
    """Whether a task fires."""

    PENDING = "Pending"
    ACTIVE = "Active"
    SUSPENDED = "Suspended"
    PAUSED = "Paused"


class Disposition(StrEnum):
    """What became of a slot."""

    FIRED = "Fired"
    SKIPPED = "Skipped"
    MISSED = "Missed"


class Anchor(Model):
    """The day that the slots are counted from, and the fields of the spec that it was found by."""

    frequency: Frequency
    """How often the task was due."""

    time_zone: Annotated[str, Field(max_length=ZONE_NAME_LENGTH)]
    """Name of the time zone. No rule checks it: one that the API server no longer knows must not block the status."""

    hour: Annotated[int, Field(ge=0, le=23)]
    """Hour of the day, 0 to 23."""

    minute: Annotated[int, Field(ge=0, le=59)]
    """Minute of the hour, 0 to 59."""

    start_date: Date | None = None
    """First day that might be due; absent where none was set."""

    day_of_week: Annotated[int, Field(ge=1, le=7)] | None = None
    """Weekday, 1 (Monday) to 7 (Sunday); absent where none was set."""

    day_of_month: Annotated[int, Field(ge=1, le=31)] | None = None
    """Day of the month, 1 to 31; absent where none was set."""

    date: Date
    """First due day."""

    day: Annotated[int, Field(ge=1, le=31)]
    """Day of the month on which a Monthly task is due, 1 to 31."""


class SlotRecord(Model):
    """What became of one slot, or of one run that a user asked for."""

    slot: Time
    """The slot; for a run that a user asked for, when the operator saw the wish."""

    is_manual: bool = False
    """Whether a user asked for it with the annotation `codecourier.dev/run-now`."""

    disposition: Disposition
    """Fired: a Run was made. Skipped: the operator decided against it. Missed: it came too late for it."""

    reason: ReasonWord
    """Why, as a word for programs."""

    message: Annotated[str, Field(max_length=RECORD_MESSAGE_LENGTH)]
    """Why, as a sentence, up to 1,024 characters."""

    time: Time
    """When it was decided."""

    run: ObjectName | None = None
    """Name of its Run; absent without one."""

    result: RunPhase | None = None
    """How its Run ended: Completed, Failed or Cancelled; absent before, and without a Run."""


class SlotTotals(Model):
    """How many slots had each disposition since the task was made."""

    fired: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Slots for which a Run was made."""

    skipped: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Slots that the operator decided against."""

    missed: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Slots that the operator came too late for."""

    manual: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Runs that users asked for; not counted above."""


class ActiveRun(Model):
    """A Run of the task whose end is not recorded yet."""

    run: ObjectName
    """Name of the Run."""

    slot: Time
    """The slot that it was made for, or when a user asked for it."""

    is_manual: bool = False
    """Whether a user asked for it."""

    claim_time: Time
    """When it was decided to make it."""


class RecurringTaskStatus(Status):
    """When the task is due next, and what became of its slots."""

    phase: RecurringTaskPhase = RecurringTaskPhase.PENDING
    """Pending: something that it names is missing. Active. Suspended: by `spec.suspend`. Paused: by failures."""

    anchor: Anchor | None = None
    """What the slots are counted from; absent before the schedule is accepted."""

    settled_time: Time | None = None
    """Every slot up to this time has its disposition."""

    catch_up_time: Time | None = None
    """When a late slot fires; absent: none is late. Late slots of many tasks are spread after the operator was down."""

    time_of_day: Annotated[str, Field(max_length=32)] = ""
    """When the task is due on its days, such as `08:05`, `Sunday 08:05` or `day 31 08:05`; empty before the schedule is
    accepted."""

    next_local_time: Annotated[str, Field(max_length=32)] = ""
    """The next run time as a clock of the time zone shows it, such as `Sun 2026-03-08 08:05`; empty while the task does
    not fire."""

    next_run_time: Time | None = None
    """When the next slot fires; absent while the task does not fire."""

    last_run_time: Time | None = None
    """When the last Run was made; absent before the first."""

    last_result: RunPhase | None = None
    """How the Run that ended last ended; absent before the first end."""

    failures: Annotated[int, Field(ge=0, le=2**53)] = 0
    """How many Runs failed in a row."""

    paused_time: Time | None = None
    """Since when the task is paused by failures; absent while it is not."""

    paused_generation: Annotated[int, Field(ge=0, le=2**53)] = 0
    """The generation of the spec that was paused."""

    handled_unpause: Annotated[str, Field(max_length=256)] = ""
    """The value of the annotation `codecourier.dev/unpause` that was acted on."""

    handled_run_now: Annotated[str, Field(max_length=256)] = ""
    """The value of the annotation `codecourier.dev/run-now` that was acted on."""

    active: Annotated[tuple[ActiveRun, ...], Field(max_length=MOST_ACTIVE), ListMap(("run",))] = ()
    """Runs whose end is not recorded yet, oldest first."""

    stopping: Annotated[tuple[ObjectName, ...], Field(max_length=MOST_ACTIVE), ListSet()] = ()
    """Names of Runs that must stop because a newer slot replaces them."""

    history: Annotated[tuple[SlotRecord, ...], Field(max_length=MOST_RECORDS), ListMap(("slot", "isManual"))] = ()
    """What became of the last 30 slots, newest first."""

    totals: SlotTotals = Field(default_factory=SlotTotals)
    """How many slots had each disposition."""

    notified: Annotated[tuple[ObjectName, ...], Field(max_length=4), ListSet()] = ()
    """Names of the Notifications of the present pause that were made."""

    message: Message = ""
    """What happens next or is wrong, as a sentence."""


class RecurringTask(CustomResource):
    """A schedule that makes a Run for each of its slots, exactly one."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="RecurringTask",
        plural="recurringtasks",
        short_names=("ccrt",),
        columns=(
            PrinterColumn("Frequency", ".spec.frequency"),
            PrinterColumn("At", ".status.timeOfDay"),
            PrinterColumn("Zone", ".spec.timeZone"),
            PrinterColumn("State", ".status.phase"),
            PrinterColumn("Next", ".status.nextLocalTime"),
            PrinterColumn("Last", ".status.lastRunTime", type="date"),
            PrinterColumn("Result", ".status.lastResult"),
            PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status", priority=1),
            PrinterColumn("Message", ".status.message", priority=1),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date", priority=1),
        ),
        selectable_fields=(".status.phase", ".spec.workflowRef.name"),
        name_max_length=40,
        makes_runs=True,
        is_reported=True,
    )

    kind: str = "RecurringTask"
    spec: RecurringTaskSpec
    status: RecurringTaskStatus = Field(default_factory=RecurringTaskStatus)
