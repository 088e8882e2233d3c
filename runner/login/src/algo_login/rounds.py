"""Which account is looked at when: on every change, when its plan says so, and once in a while.

An account is never looked at twice at a time; one that changes meanwhile comes again.
"""

import asyncio
import heapq
import itertools
import random
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import structlog

from algo_login.errors import Conflict, Gone, LoginError
from algo_login.metrics import Metrics

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 2.0
LONGEST_RETRY_SECONDS: Final = 120.0


class Key(NamedTuple):
    """One account."""

    namespace: str
    name: str


Look = Callable[[Key], Awaitable[float]]
"""One pass; answers with the seconds until the next."""


class Rounds:
    """A queue of accounts by time; in one event loop, not thread-safe."""

    def __init__(self, look: Look, metrics: Metrics, *, resync_seconds: float) -> None:
        """Begins empty."""
        self._look, self._metrics, self._resync = look, metrics, resync_seconds
        self._order = itertools.count()
        self._queue: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._running: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._news = asyncio.Event()
        self._closed = False

    def add(self, key: Key, *, delay: float = 0.0) -> None:
        """Asks for a pass after so many seconds, or earlier."""
        when = time.monotonic() + delay
        if when < self._due.get(key, float("inf")):
            self._due[key] = when
            heapq.heappush(self._queue, (when, next(self._order), key))
            self._news.set()

    def forget(self, key: Key) -> None:
        """The account is gone."""
        self._due.pop(key, None)
        self._failures.pop(key, None)

    def close(self) -> None:
        """Begins no further pass; those under way go on to their end."""
        self._closed = True
        self._news.set()

    async def work(self) -> None:
        """Takes one account after the other until closed; several may run beside one another."""
        while not self._closed:
            key = self._take()
            if key is None:
                await self._wait()
                continue
            self._running.add(key)
            try:
                delay = await self._pass(key)
            finally:
                self._running.discard(key)
                self._news.set()
            if delay is not None:
                self.add(key, delay=delay)

    def _take(self) -> Key | None:
        busy: list[tuple[float, int, Key]] = []
        found = None
        while found is None and self._queue and self._queue[0][0] <= time.monotonic():
            entry = heapq.heappop(self._queue)
            when, _, key = entry
            if self._due.get(key) != when:
                continue
            if key in self._running:
                busy.append(entry)
                continue
            del self._due[key]
            found = key
        for entry in busy:
            heapq.heappush(self._queue, entry)
        return found

    async def _wait(self) -> None:
        self._news.clear()
        later = [when for when, _, key in self._queue if key not in self._running]
        timeout = max(min(later) - time.monotonic(), 0.0) if later else None
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return

    async def _pass(self, key: Key) -> float | None:
        try:
            delay = await self._look(key)
        except Gone:
            self.forget(key)
            return None
        except Conflict:
            return 0.1
        except Exception as error:  # noqa: BLE001 - one account's trouble must not end the others'
            return self._failed(key, error)
        self._failures.pop(key, None)
        return min(delay, self._resync * random.uniform(0.8, 1.2))  # noqa: S311 - spread out

    def _failed(self, key: Key, error: Exception) -> float:
        self._metrics.passes_failed += 1
        count = self._failures[key] = self._failures.get(key, 0) + 1
        what = str(error) if isinstance(error, LoginError) else type(error).__name__
        log.error(
            "pass_failed",
            namespace=key.namespace,
            account=key.name,
            error=what,
            where=[] if isinstance(error, LoginError) else _frames(error),
        )
        wait = min(RETRY_SECONDS * 2 ** min(count - 1, 10), LONGEST_RETRY_SECONDS)
        return wait * random.uniform(0.8, 1.2)  # noqa: S311 - spread out


def _frames(error: Exception) -> list[str]:
    """Where it happened; not its words, which nobody has cleaned of secrets."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
