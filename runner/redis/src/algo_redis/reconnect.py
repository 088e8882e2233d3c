"""Connecting until it works, with jittered, growing pauses."""

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Final

from algo_contract.assignment import RedisServer

from algo_redis.connection import DEADLINE_SECONDS, Connection, connect
from algo_redis.errors import RedisError, RedisRefused, RedisUnavailable

FIRST_DELAY_SECONDS: Final = 0.05
LONGEST_DELAY_SECONDS: Final = 2.0

OnRetry = Callable[[RedisError, float], None]
"""Told of a failure and of the seconds until the next attempt."""


def backoff(
    *, first: float = FIRST_DELAY_SECONDS, longest: float = LONGEST_DELAY_SECONDS
) -> Iterator[float]:
    """Endless pauses in seconds: doubling up to `longest`, each between half and all of its step.

    The jitter keeps the processes that lost one server from returning all at once.
    """
    step = first
    while True:
        yield step * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        step = min(step * 2, longest)


async def connect_forever(
    server: RedisServer,
    *,
    name: str,
    decode: bool = True,
    deadline: float = DEADLINE_SECONDS,
    on_retry: OnRetry | None = None,
) -> Connection:
    """A connection, however long it takes; arguments as for `connect`.

    A refused log-in is tried again too: users vanish when a server restarts without its ACL file
    and come back when the operator asserts them. To give up, cancel or use `asyncio.timeout`.
    """
    for delay in backoff():
        try:
            return await connect(server, name=name, decode=decode, deadline=deadline)
        except (RedisUnavailable, RedisRefused) as error:
            if on_retry is not None:
                on_retry(error, delay)
        await asyncio.sleep(delay)
    raise AssertionError("backoff is endless")
