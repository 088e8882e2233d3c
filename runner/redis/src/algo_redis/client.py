"""A connection that is made when first needed and again after it was lost."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from algo_contract.messages.redis_server import RedisServer

from algo_redis.connecting import OnRetry, connect_forever
from algo_redis.connection import Argument, Connection, Reply
from algo_redis.errors import RedisRefused, RedisUnavailable
from algo_redis.script import Script, run_script

RETRY_SECONDS: Final = 0.2
"""Before a refusal that ends by itself is handed on: whoever made the call tries again."""


class RedisClient:
    """One server's connection, shared by the tasks of a process. Calls are never repeated here:
    whoever made one decides what a lost answer means.
    """

    def __init__(self, server: RedisServer, *, name: str, on_retry: OnRetry | None = None) -> None:
        """Connects nothing yet."""
        self._server: Final = server
        self._name: Final = name
        self._on_retry: Final = on_retry
        self._connection: Connection | None = None
        self._connecting: Final = asyncio.Lock()

    async def ready(self) -> Connection:
        """An open connection, however long it takes."""
        async with self._connecting:
            if self._connection is None or not self._connection.is_open:
                self._connection = await connect_forever(
                    self._server, name=self._name, on_retry=self._on_retry
                )
            return self._connection

    async def call(self, *command: Argument) -> Reply:
        """The reply to one command.

        Raises:
            RedisUnavailable: the connection was lost before the reply, or the server refused for
                now (it loads its data, fails over, runs a long script) and did nothing.
            RedisRefused: the server refused.
        """
        async with self._refusals_for_now():
            return await (await self.ready()).call(*command)

    async def run(self, script: Script, *, keys: Sequence[str], args: Sequence[Argument]) -> Reply:
        """A script's reply; errors as for `call`."""
        async with self._refusals_for_now():
            return await run_script(await self.ready(), script, keys=keys, args=args)

    def close(self) -> None:
        """Closes at once; calls under way raise RedisUnavailable."""
        if self._connection is not None:
            self._connection.close()

    @asynccontextmanager
    async def _refusals_for_now(self) -> AsyncGenerator[None]:
        try:
            yield
        except RedisRefused as error:
            if not error.is_transient:
                raise
            if self._on_retry is not None:
                self._on_retry(error, RETRY_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)
            raise RedisUnavailable(str(error), in_flight=False) from error
