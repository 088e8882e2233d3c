"""Connecting until it works, with jittered, growing pauses."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from algo_contract.messages.redis_server import RedisServer
from algo_service.backoff import backoff

from algo_redis.connection import DEADLINE_SECONDS, Connection, connect
from algo_redis.errors import RedisError, RedisRefused, RedisUnavailable

FIRST_DELAY_SECONDS: Final = 0.05
LONGEST_DELAY_SECONDS: Final = 2.0

OnRetry = Callable[[RedisError, float], None]
"""Told of a failure and of the seconds until the next attempt."""


def retry_pauses() -> Iterator[float]:
    """Endless pauses in seconds between attempts to reach a Redis server."""
    return backoff(first=FIRST_DELAY_SECONDS, longest=LONGEST_DELAY_SECONDS)


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
    for delay in retry_pauses():
        try:
            return await connect(server, name=name, decode=decode, deadline=deadline)
        except (RedisUnavailable, RedisRefused) as error:
            if on_retry is not None:
                on_retry(error, delay)
        await asyncio.sleep(delay)
    raise AssertionError("backoff is endless")
