"""How often a credential may send requests: decided from the headers of the forge's answers.

Nothing here waits. A request that should not be sent now is refused with the time at which it may be sent, and the
caller retries then. Writes take precedence: reads stop while a reserve is left for them.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["CORE", "BudgetState", "BudgetSummary", "Budgets", "Limit", "find_limit", "observe", "refused_until"]

CORE = "core"
"""The rate limit of the REST API, as GitHub calls it; others, as that of GraphQL, have windows of their own."""

RESERVE_SHARE = 0.1
"""Share of an hour's requests that is kept for writes."""

RESERVE_MAX = 500
"""Most requests that are kept for writes."""

SECONDARY_WAIT_SECONDS = 60
"""Wait after a secondary limit without Retry-After, in seconds; doubled each time, as GitHub asks."""

LONGEST_WAIT_SECONDS = 3600
"""Longest wait that is accepted from a forge, in seconds; a window of GitHub's is an hour."""

_MOST_CREDENTIALS = 4096
"""How many budgets are remembered; the least recently used one is forgotten first."""


@dataclass(frozen=True)
class BudgetState:
    """What is known of a credential's limits; times are seconds since the epoch."""

    limit: int | None = None
    """Requests in a window; None before the first answer."""

    remaining: int = 0
    """Requests left in the window."""

    reset_time: float = 0
    """When the next window starts."""

    blocked_until: float = 0
    """No request before this time, after the forge refused one because of a limit."""

    strikes: int = 0
    """How many limits without a retry time the forge reported since it last did what was asked."""


@dataclass(frozen=True)
class BudgetSummary:
    """What is left of the rate limits of all credentials."""

    least_share: float
    """Share of a window's requests that is left to the credential with the least, 0 to 1."""

    blocked: int
    """Credentials that may send nothing now."""


@dataclass(frozen=True)
class Limit:
    """The forge refused a request because of a limit."""

    is_secondary: bool
    """Whether it is the limit on behaviour rather than the number of requests an hour."""

    retry_time: float | None
    """When to retry, in seconds since the epoch; None if the forge does not say."""


def find_limit(status: int, headers: Mapping[str, str], message: str, now: float) -> Limit | None:
    """Return the limit that an answer reports; None if it reports none.

    Parameters
    ----------
    status
        HTTP status of the answer.
    headers
        Its headers, names in lower case.
    message
        The forge's own sentence.
    now
        The time, in seconds since the epoch.
    """
    lowered = message.lower()
    says_so = "rate limit" in lowered or "abuse detection" in lowered
    if status != 429 and not (status == 403 and (says_so or "retry-after" in headers)):  # noqa: PLR2004 - HTTP
        return None
    is_exhausted = headers.get("x-ratelimit-remaining") == "0" and "secondary" not in lowered
    retry_time = _retry_after(headers.get("retry-after"), now)
    if retry_time is None and is_exhausted:
        retry_time = _number(headers.get("x-ratelimit-reset"))
    return Limit(not is_exhausted, retry_time)


def observe(
    state: BudgetState,
    headers: Mapping[str, str],
    limit: Limit | None,
    now: float,
    *,
    is_ok: bool,
    resource: str = CORE,
) -> BudgetState:
    """Return the state of a budget after an answer.

    Parameters
    ----------
    state
        What was known.
    headers
        The answer's headers, names in lower case.
    limit
        The limit that the answer reports, None if none was hit.
    now
        The time, in seconds since the epoch.
    is_ok
        Whether the forge did what was asked.
    resource
        The rate limit that the budget is for.
    """
    state = _with_figures(state, headers, now, resource)
    if limit is None:
        return replace(state, strikes=0) if is_ok else state
    if limit.retry_time is not None:
        return replace(state, blocked_until=max(state.blocked_until, _believed(limit.retry_time, now)))
    wait = min(SECONDARY_WAIT_SECONDS * 2 ** min(state.strikes, 10), LONGEST_WAIT_SECONDS)
    return replace(state, blocked_until=max(state.blocked_until, now + wait), strikes=state.strikes + 1)


def refused_until(state: BudgetState, now: float, *, is_write: bool) -> float | None:
    """Return the time before which a request must not be sent, in seconds since the epoch; None: send it now."""
    if now < state.blocked_until:
        return state.blocked_until
    if state.limit is None or now >= state.reset_time:
        return None
    reserve = 0 if is_write else min(RESERVE_MAX, math.ceil(state.limit * RESERVE_SHARE))
    return state.reset_time if state.remaining <= reserve else None


def _with_figures(state: BudgetState, headers: Mapping[str, str], now: float, resource: str) -> BudgetState:
    # The window of another limit, such as that of searches, says nothing about this one.
    if headers.get("x-ratelimit-resource", CORE) != resource:
        return state
    figures = [_number(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")]
    limit, remaining, reset = figures
    if limit is None or remaining is None or reset is None:
        return state
    reset = _believed(reset, now)
    if reset < state.reset_time and now < state.reset_time:
        return state
    return replace(state, limit=int(limit), remaining=int(remaining), reset_time=reset)


def _believed(time: float, now: float) -> float:
    return min(max(time, now + 1), now + LONGEST_WAIT_SECONDS)


def _number(text: str | None) -> float | None:
    """Read what should be a whole number; some servers send floats."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 2**53 else None


def _retry_after(text: str | None, now: float) -> float | None:
    """Read Retry-After, which is seconds or a date."""
    seconds = _number(text)
    if text is None or seconds is not None:
        return None if seconds is None else now + seconds
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


class Budgets:
    """The budgets of all credentials, for use from any thread.

    Parameters
    ----------
    clock
        Gives the time in UTC.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._states: OrderedDict[str, BudgetState] = OrderedDict()

    def refused_until(self, key: str, *, is_write: bool) -> datetime | None:
        """Return the time before which a credential must not send a request; None if it may send one now."""
        time = refused_until(self._state(key), self._now(), is_write=is_write)
        return None if time is None else datetime.fromtimestamp(time, UTC)

    def observe(
        self, key: str, status: int, headers: Mapping[str, str], message: str, resource: str = CORE
    ) -> datetime | None:
        """Note an answer; return when to retry if a limit was hit, None if none was."""
        now = self._now()
        limit = find_limit(status, headers, message, now)
        with self._lock:
            known, is_ok = self._states.get(key, BudgetState()), status < 400  # noqa: PLR2004 - HTTP
            state = observe(known, headers, limit, now, is_ok=is_ok, resource=resource)
            self._states[key] = state
            self._states.move_to_end(key)
            while len(self._states) > _MOST_CREDENTIALS:
                self._states.popitem(last=False)
        return None if limit is None else datetime.fromtimestamp(state.blocked_until, UTC)

    def summary(self) -> BudgetSummary:
        """Return what is left of the rate limits of the credentials in use."""
        now = self._now()
        with self._lock:
            states = list(self._states.values())
        shares = [s.remaining / s.limit if now < s.reset_time else 1.0 for s in states if s.limit]
        blocked = sum(refused_until(state, now, is_write=True) is not None for state in states)
        return BudgetSummary(min(shares, default=1.0), blocked)

    def _state(self, key: str) -> BudgetState:
        with self._lock:
            return self._states.get(key, BudgetState())

    def _now(self) -> float:
        return self._clock().timestamp()
