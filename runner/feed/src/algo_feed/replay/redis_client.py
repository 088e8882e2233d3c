"""The publisher's connection to redis-ticks: repeats what may be repeated until it is done."""

import asyncio
import sys
import time
from typing import Final

from algo_contract.messages.redis_server import RedisServer
from algo_redis.client import RedisClient
from algo_redis.connecting import retry_pauses
from algo_redis.connection import Command, Reply, connect
from algo_redis.errors import RedisError, RedisRefused, RedisUnavailable

from algo_feed.errors import RedisFailed

START_SECONDS: Final = 30.0
"""How long the server may be away at the start, before a person is told."""
_REMIND_SECONDS: Final = 5.0


class PublisherRedis:
    """One connection, made again when lost."""

    def __init__(self, server: RedisServer, *, name: str) -> None:
        """Connects nothing yet."""
        self.away_seconds = 0.0
        """How long calls waited in all because the server was away."""
        self._server: Final = server
        self._name: Final = name
        self._held: Final = RedisClient(server, name=name, on_retry=self._report)
        self._away_since: float | None = None
        self._reminded = 0.0

    async def check(self) -> None:
        """Connects for the first time.

        Raises:
            RedisFailed: unreachable for half a minute, or the log-in is refused.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                for delay in retry_pauses():
                    try:
                        (await connect(self._server, name=self._name)).close()
                        break
                    except RedisUnavailable as error:
                        self._report(error, delay)
                    await asyncio.sleep(delay)
        except TimeoutError:
            raise RedisFailed(f"gave up on {self._server} after {START_SECONDS:g} s") from None
        except RedisRefused as error:
            raise RedisFailed(str(error)) from error
        self._back()

    async def settle(self, *commands: Command) -> list[Reply]:
        """The replies to commands that do no harm when carried out twice, however long it takes.

        Raises:
            RedisRefused: of the first command refused, for a reason that stays.
        """
        for delay in retry_pauses():
            try:
                connection = await self._held.ready()
                replies = await connection.execute(*commands)
            except RedisUnavailable as error:
                self._report(error, delay)
            except RedisRefused as error:
                if not error.is_transient:
                    self._back()
                    raise
                self._report(error, delay)
            else:
                self._back()
                return replies
            await asyncio.sleep(delay)
        raise AssertionError("backoff is endless")

    def close(self) -> None:
        """Closes the connection."""
        self._held.close()

    def _report(self, error: RedisError, _delay: float) -> None:
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        elif now - self._reminded < _REMIND_SECONDS:
            return
        self._reminded = now
        warn(f"{error}; trying again")

    def _back(self) -> None:
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            self.away_seconds += away
            self._away_since = None
            warn(f"Redis is back after {away:.1f} s")


def say(line: str) -> None:
    """A step, on standard output."""
    _ = sys.stdout.write(line + "\n")
    _ = sys.stdout.flush()


def warn(line: str) -> None:
    """Trouble, on standard error."""
    _ = sys.stderr.write(f"algo-feed: {line}\n")
    _ = sys.stderr.flush()
