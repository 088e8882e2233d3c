"""How far exchange time has come in a replay."""

import math
import time
from collections.abc import Callable


class ReplayClock:
    """Exchange time that runs at a multiple of a monotonic clock."""

    def __init__(
        self, speed: float, *, start_us: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Starts now, at `start_us` (µs since the epoch); an infinite speed has no time to wait."""
        self._speed = speed
        self._start_us = start_us
        self._monotonic = monotonic
        self._started = monotonic()

    def reached_us(self) -> int | None:
        """The exchange time reached, µs since the epoch; None at infinite speed."""
        if math.isinf(self._speed):
            return None
        return self._start_us + int((self._monotonic() - self._started) * self._speed * 1_000_000)

    def seconds_until(self, time_us: int) -> float:
        """Seconds from now until an exchange time is reached; 0 or less when it was."""
        if math.isinf(self._speed):
            return 0.0
        due = self._started + (time_us - self._start_us) / 1_000_000 / self._speed
        return due - self._monotonic()

    def postpone(self, seconds: float) -> None:
        """Leaves out a time in which nothing could be published: no burst makes up for it."""
        self._started += seconds
