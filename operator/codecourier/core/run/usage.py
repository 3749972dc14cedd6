"""What a try consumed, as a UsageRecord."""

from __future__ import annotations

from collections.abc import Iterable

from codecourier import task
from codecourier.core.shared.naming import LABEL_RUN_UID, split_words
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.usage_record import UsageItem, UsageKind, UsageRecord, UsageRecordSpec, UsageUnit

__all__ = ["MAX_ITEMS", "build_items", "build_usage_record"]

MAX_ITEMS = 7
"""Items of the agent's own report: eight with the sandbox's seconds."""

_UNITS = {
    UsageKind.COMPUTE: UsageUnit.SECOND,
    UsageKind.TOKENS: UsageUnit.TOKEN,
    UsageKind.API_CALLS: UsageUnit.CALL,
}
_MAX_QUANTITY = 2**53


def build_items(reported: Iterable[task.UsageItem]) -> tuple[UsageItem, ...]:
    """Return what an agent reported, in at most seven items: what is over is summed up as service `other`.

    Items of an unknown kind or with another kind's unit are counted as API calls, so that their cost is not lost.
    """
    items = [_item(item) for item in reported]
    if len(items) <= MAX_ITEMS:
        return tuple(items)
    kept, rest = items[: MAX_ITEMS - 1], items[MAX_ITEMS - 1 :]
    other = UsageItem(
        service="other",
        kind=UsageKind.API_CALLS,
        quantity=len(rest),
        unit=UsageUnit.CALL,
        cost_micro_usd=min(sum(item.cost_micro_usd for item in rest), _MAX_QUANTITY),
    )
    return (*kept, other)


def _item(reported: task.UsageItem) -> UsageItem:
    kind = next((k for k in UsageKind if k.value == reported.kind), None)
    service = _service(reported.service)
    if kind is None or reported.unit != _UNITS[kind]:
        return UsageItem(
            service=service,
            kind=UsageKind.API_CALLS,
            quantity=0,
            unit=UsageUnit.CALL,
            cost_micro_usd=reported.cost_micro_usd,
        )
    return UsageItem(
        service=service,
        kind=kind,
        quantity=reported.quantity,
        unit=_UNITS[kind],
        cost_micro_usd=reported.cost_micro_usd,
    )


def _service(name: str) -> str:
    cleaned = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in name.lower())
    return cleaned.strip("-.")[:63].strip("-.") or "unknown"


def build_usage_record(run: Run, sandbox: Sandbox) -> UsageRecord:
    """Return the record of a try whose Sandbox has ended after it ran: a function of final facts alone."""
    status = sandbox.status
    start, finish = status.start_time, status.finish_time
    if start is None or finish is None:
        raise ValueError(f"Sandbox {sandbox.name} has not run and ended: it consumed nothing to record")
    seconds = max(0, round((finish - start).total_seconds()))
    compute = UsageItem(service="kubernetes", kind=UsageKind.COMPUTE, quantity=seconds, unit=UsageUnit.SECOND)
    return UsageRecord(
        metadata=ObjectMeta(name=sandbox.name, namespace=sandbox.namespace, labels={LABEL_RUN_UID: run.uid}),
        spec=UsageRecordSpec(
            run=run.name,
            run_uid=run.uid,
            attempt=sandbox.spec.attempt,
            try_number=sandbox.spec.try_number,
            workflow=run.spec.workflow_ref.name,
            start_time=start,
            finish_time=finish,
            items=(compute, *(status.result.usage if status.result is not None else ())),
        ).updated(**_origin_name(run)),
    )


def _origin_name(run: Run) -> dict[str, str]:
    """Return the name of the Run's origin, where the record has a field for origins of its kind."""
    origin = run.spec.origin
    if origin is None:
        return {}
    name = split_words(origin.kind, "_")
    field = UsageRecordSpec.model_fields.get(name)
    return {} if field is None or field.is_required() else {name: origin.name}
