"""Notices when the wall clock jumps: plans name wall times, and timers count the event loop's time.

A machine that was suspended, or a clock that NTP or a person sets, moves one of the two without the other. After that
every scheduled key is planned again, which schedules it anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

__all__ = ["CHECK_SECONDS", "JUMP_SECONDS", "watch_clock"]

_LOGGER = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
"""How often the clocks are compared."""

JUMP_SECONDS = 1.0
"""By how much they may drift apart in all before scheduled keys are planned again."""


async def watch_clock(now: Callable[[], datetime], jumped: Callable[[], None]) -> NoReturn:
    """Compare the wall clock with the event loop's clock, and call `jumped` when they have drifted apart."""
    loop = asyncio.get_running_loop()
    wall, time = now(), loop.time()
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        drift = (now() - wall).total_seconds() - (loop.time() - time)
        if abs(drift) >= JUMP_SECONDS:
            _LOGGER.warning("the clock jumped by %.1f s; everything that is scheduled is planned again", drift)
            wall, time = now(), loop.time()
            jumped()
