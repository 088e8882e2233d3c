"""The only place that reads the machine's clock; what decides is handed one."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for people and schedules, monotonic time for durations, and waiting."""

    def now_us(self) -> int:
        """Wall clock, µs since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits so long by the monotonic clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        """Wall clock, µs since the epoch."""
        return now_us()

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)


def now_us() -> int:
    """The wall clock, µs since the epoch."""
    return time.time_ns() // 1000
