"""Usage as a list, newest first: an order of the records that follows their cache, and what is shown of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from codecourier.apiserver.answers import view_text
from codecourier.apiserver.rendered import Kept
from codecourier.apiserver.spans import Span
from codecourier.apiserver.views.analytics import view_usage
from codecourier.cache.ordered import Ordered
from codecourier.cache.source import Source
from codecourier.cache.store import Store
from codecourier.kinds.sources import USAGE_RECORD_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.usage_record import UsageRecord

__all__ = ["BY_FINISH", "FinishOrder", "UsageList", "UsagePlace"]

BY_FINISH = "finish"
"""Name under which the cache of the UsageRecords has its `FinishOrder`."""

_LAST = "\uffff"
"""Above every character of a time."""


class UsagePlace(NamedTuple):
    """Where a row is in the order of the list: newest first, and of one instant the last name first."""

    finish: str
    """When the try ended, RFC 3339 to the microsecond in UTC."""

    name: str
    number: int
    """Which item of the record, from 0."""


class FinishOrder:
    """The records of each namespace in the order in which their tries ended; see `Follower`."""

    def __init__(self) -> None:
        self._orders: defaultdict[str, Ordered[str]] = defaultdict(Ordered)

    def changed(self, old: Json | None, new: Json | None) -> None:
        """Take a change of a record; one whose time cannot be read has no place."""
        namespace = (new or old or {})["metadata"]["namespace"]
        before, after = (None if obj is None else _finish_of(obj) for obj in (old, new))
        if before is not None and before != after:
            self._orders[namespace].drop(before)
        if after is not None:
            self._orders[namespace].put(after, after[1])

    def places(self, namespace: str, span: Span, after: UsagePlace | None) -> Iterator[tuple[str, str]]:
        """Yield time and name of the records that ended in a range, newest first, from that of a row on.

        A change of any record ends what this may be used for.
        """
        order = self._orders.get(namespace)
        if order is None:
            return
        start = _text_of(span.start)
        before = min((_text_of(span.end), _LAST), (after.finish, f"{after.name}\0") if after else (_LAST,))
        for place, _ in order.backward(before):
            if place[0] < start:
                return
            yield place


def _finish_of(record: Json) -> tuple[str, str] | None:
    try:
        finish = datetime.fromisoformat((record.get("spec") or {})["finishTime"])
        return _text_of(finish.astimezone(UTC)), record["metadata"]["name"]
    except (KeyError, OverflowError, TypeError, ValueError):
        return None


def _text_of(time: datetime) -> str:
    """Return a time in UTC as a text: those of two times have their order."""
    return time.isoformat(timespec="microseconds")


class UsageList:
    """The usage of each project.

    Parameters
    ----------
    store
        The cached records, with their order.
    kept
        Keeps what is shown of each record.
    source
        How records are read.
    """

    def __init__(self, store: Store, kept: Kept, source: Source[UsageRecord] = USAGE_RECORD_SOURCE) -> None:
        self._store = store
        self._order: FinishOrder = store.follower(source.resource, BY_FINISH)
        self._kept = kept
        self._source = source

    def rows(
        self, namespace: str, span: Span, service: str | None, after: UsagePlace | None
    ) -> Iterator[tuple[UsagePlace, bytes | None]]:
        """Yield what was consumed in a range of time, newest first; a record is read once its first row is asked for.

        Parameters
        ----------
        namespace
            The project.
        span
            The range.
        service
            The service whose usage is asked for; None: any.
        after
            The last row that is not wanted any more; None: from the newest on.
        """
        for finish, name in self._order.places(namespace, span, after):
            texts: Sequence[bytes | None] | None = self._kept.find(namespace, name) if service is None else None
            if texts is None:
                texts = self._show(namespace, name, service)
            # A record that shows nothing has a place, too: what is read there counts.
            for number, text in enumerate(texts or (None,)):
                place = UsagePlace(finish, name, number)
                if after is None or _is_after(place, after):
                    yield place, text

    def _show(self, namespace: str, name: str, service: str | None) -> Sequence[bytes | None]:
        raw = self._store.raw(self._source.resource, namespace, name)
        found = () if raw is None else self._store.readable(self._source, (raw,))
        items = [(record, number) for record in found for number in range(len(record.spec.items))]
        if service is None:
            return self._kept.put(namespace, name, tuple(view_text(view_usage(*item)) for item in items))
        return [
            view_text(view_usage(record, number)) if record.spec.items[number].service == service else None
            for record, number in items
        ]


def _is_after(place: UsagePlace, after: UsagePlace) -> bool:
    """Return whether a row comes after another one, newest first."""
    if place[:2] != after[:2]:
        return place[:2] < after[:2]
    return place.number > after.number
