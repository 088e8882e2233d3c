"""The work queue: what must be looked at, most urgent first.

A key is never worked on twice at a time; one that is added while it is worked on comes again.
After an error a key waits, twice as long each time, with jitter; only what is urgent (a stop, an
exit, a deletion) may cut that wait short.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Final, NamedTuple

from algo_service.backoff import jittered

from algo_kube import metrics

_LONGEST_BACKOFF: Final = 60.0


class Priority(IntEnum):
    """Lower goes first: creations must never hold up a stop."""

    URGENT = 0
    STATE = 1
    NORMAL = 2
    BACKGROUND = 3


class Key(NamedTuple):
    """One object to look at."""

    kind: str
    namespace: str
    name: str


OnePass = Callable[[Key], Awaitable[float | None]]
"""One look at an object: None, or the seconds before it is tried again after a failure."""


class WorkQueue:
    """Keys by priority; in one event loop, not thread-safe."""

    def __init__(self) -> None:
        """Begin empty."""
        self._order = itertools.count()
        self._ready: list[tuple[int, int, Key]] = []
        self._waiting: dict[Key, tuple[int, float, Priority]] = {}
        self._later: list[tuple[float, int, Key]] = []
        self._due: dict[Key, tuple[float, Priority]] = {}
        self._running: set[Key] = set()
        self._again: dict[Key, Priority] = {}
        self._failures: dict[Key, int] = {}
        self._not_before: dict[Key, float] = {}
        self._news = asyncio.Event()
        self._closed = False

    def add(self, key: Key, *, priority: Priority = Priority.NORMAL, delay: float = 0.0) -> None:
        """Ask for a pass over `key`, after `delay` seconds or earlier."""
        metrics.QUEUE_ADDS.labels(priority.name).inc()
        if priority is not Priority.URGENT:
            delay = max(delay, self._not_before.get(key, 0.0) - time.monotonic())
        if delay > 0:
            self._add_later(key, priority, time.monotonic() + delay)
        elif key in self._running:
            self._again[key] = min(priority, self._again.get(key, priority))
        else:
            self._add_ready(key, priority)
        self._news.set()

    async def take(self) -> Key:
        """The most urgent key; the caller must call `done` for it.

        Raises:
            asyncio.QueueEmpty: the queue was closed.
        """
        while not self._closed:
            self._promote()
            while self._ready:
                _, number, key = heapq.heappop(self._ready)
                entry = self._waiting.get(key)
                if entry is not None and entry[0] == number:
                    return self._start(key, entry[1])
            self._news.clear()
            timeout = self._later[0][0] - time.monotonic() if self._later else None
            try:
                await asyncio.wait_for(self._news.wait(), timeout)
            except TimeoutError:
                continue
        raise asyncio.QueueEmpty

    def done(self, key: Key, *, retry_delay: float | None = None) -> None:
        """A pass over `key` ended; with `retry_delay` it failed and is tried again."""
        self._running.discard(key)
        again = self._again.pop(key, None)
        if retry_delay is None:
            self._failures.pop(key, None)
            self._not_before.pop(key, None)
        else:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            wait = jittered(min(retry_delay * 2 ** min(failures - 1, 10), _LONGEST_BACKOFF))
            self._not_before[key] = time.monotonic() + wait
            metrics.QUEUE_RETRIES.inc()
            self.add(key, delay=wait)
        if again is not None:
            self.add(key, priority=again)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a key whose object is gone."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)
        self._due.pop(key, None)

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        self._news.set()

    def depth(self) -> int:
        """How many keys wait to be taken now."""
        return len(self._waiting)

    def oldest(self) -> float:
        """How long the oldest of them has waited, in seconds."""
        return max(
            (time.monotonic() - since for _, since, _ in self._waiting.values()), default=0.0
        )

    def running(self) -> int:
        """How many passes are under way."""
        return len(self._running)

    def _start(self, key: Key, since: float) -> Key:
        del self._waiting[key]
        self._running.add(key)
        if self._ready or self._later:
            self._news.set()  # another worker may take the next one
        metrics.QUEUE_WAIT.labels(key.kind).observe(time.monotonic() - since)
        return key

    def _add_ready(self, key: Key, priority: Priority) -> None:
        known = self._waiting.get(key)
        if known is not None and known[2] <= priority:
            return
        number = next(self._order)
        self._waiting[key] = (number, time.monotonic() if known is None else known[1], priority)
        heapq.heappush(self._ready, (int(priority), number, key))

    def _add_later(self, key: Key, priority: Priority, when: float) -> None:
        known = self._due.get(key)
        if known is not None and known[0] <= when:
            return
        self._due[key] = (when, priority)
        heapq.heappush(self._later, (when, next(self._order), key))

    def _promote(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            when, _, key = heapq.heappop(self._later)
            known = self._due.get(key)
            if known is None or known[0] != when:
                continue
            del self._due[key]
            if key in self._running:
                self._again[key] = min(known[1], self._again.get(key, known[1]))
            else:
                self._add_ready(key, known[1])


async def work(queue: WorkQueue, one_pass: OnePass) -> None:
    """One worker: takes the most urgent key, does one pass, and says when it failed; ends when the
    queue is closed.
    """
    while True:
        try:
            key = await queue.take()
        except asyncio.QueueEmpty:
            return
        retry: float | None = 1.0
        try:
            retry = await one_pass(key)
        finally:
            queue.done(key, retry_delay=retry)
