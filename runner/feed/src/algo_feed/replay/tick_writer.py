"""Ticks into streams, each exactly once, whatever happens to the connection.

Nothing else writes these streams and their cap exceeds a day, so a stream's length is the number
of its day's ticks that have arrived. Each write names the length it expects and is one script: it
adds all its ticks, or nothing if they are there already. So a write whose outcome is unknown is
simply repeated, and one that the server finds late in a dead connection's buffer does nothing.
Looking at the stream's last entry would settle neither two equal ticks nor the late write.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from algo_contract import redis_keys
from algo_engine.tick_file import FileTick
from algo_redis.connection import Argument, Command
from algo_redis.errors import RedisRefused
from algo_redis.script import Script, script_call
from algo_service.clock import now_us as wall_us

from algo_feed.errors import AlreadyPublishing, BadInput
from algo_feed.replay.recording import Instrument
from algo_feed.replay.redis_client import PublisherRedis, warn

_SPARE: Final = 1000
_APPEND: Final = Script(f"""
local length = redis.call('XLEN', KEYS[1])
local expected = tonumber(ARGV[1])
local count = (#ARGV - 3) / 4
if length >= expected + count then return length end
if length ~= expected then return redis.error_reply('OUTOFSTEP ' .. length) end
for i = 4, #ARGV, 4 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*',
    '{redis_keys.TICK_PRICE}', ARGV[i], '{redis_keys.TICK_QUANTITY}', ARGV[i + 1],
    '{redis_keys.TICK_VOLUME}', ARGV[i + 2], '{redis_keys.TICK_TIME}', ARGV[i + 3],
    '{redis_keys.TICK_RECEIVED}', ARGV[3])
end
return length + count
""")


class TickWriter:
    """The streams of one feed on one recorded day."""

    def __init__(self, link: PublisherRedis, *, feed: str, ticks: Mapping[Instrument, int]) -> None:
        """Writes nothing yet.

        Args:
            link: to redis-ticks.
            feed: `shared` or an account's id.
            ticks: how many ticks each of the day's instruments has: a stream keeps a day.
        """
        self.written = 0
        """Ticks that are in."""
        self._link: Final = link
        self._keys: Final = {i: redis_keys.ticks(feed, *i) for i in ticks}
        self._cap: Final = max(ticks.values()) + _SPARE
        self._lengths: Final = dict.fromkeys(self._keys.values(), 0)

    async def append(self, batch: Sequence[FileTick]) -> None:
        """Adds ticks in their order; back when all are in.

        Raises:
            NotAlone: something else adds to one of the streams.
            RedisRefused: the server refuses, for a reason that stays.
        """
        received = wall_us()
        runs = [(key, list(ticks)) for key, ticks in groupby(batch, key=self._key)]
        while not await self._try(runs, received):
            pass
        self.written += len(batch)

    async def _try(self, runs: list[tuple[str, list[FileTick]]], received: int) -> bool:
        lengths = dict(self._lengths)
        commands: list[Command] = []
        for key, ticks in runs:
            words: list[Argument] = [lengths[key], self._cap, received]
            for _, _, time_us, price, quantity, volume in ticks:
                words += (price, quantity, volume, time_us)
            commands.append(script_call(_APPEND, [key], words))
            lengths[key] += len(ticks)
        try:
            found = await self._link.settle(*commands)
        except RedisRefused as error:
            return await self._recover(error, runs[error.index][0], lengths)
        for (key, _), length in zip(runs, found, strict=True):
            if length > lengths[key]:
                raise self._not_alone(key)
        self._lengths.update(lengths)
        return True

    async def _recover(self, error: RedisRefused, key: str, lengths: dict[str, int]) -> bool:
        """Sees to a refused write; False: try the batch again."""
        if error.code == "NOSCRIPT":
            await self._link.settle(("SCRIPT", "LOAD", _APPEND.source))
            return False
        if error.code != "OUTOFSTEP":
            raise error
        length, expected = int(error.detail), self._lengths[key]
        if expected < length < lengths[key]:
            raise self._not_alone(key)
        if length < expected:
            warn(
                f"Redis lost {expected - length} ticks of {key} that were in: going on behind "
                "them; a runner that starts now does not see them"
            )
        self._lengths[key] = length
        return False

    def _key(self, tick: FileTick) -> str:
        try:
            return self._keys[tick[0], tick[1]]
        except KeyError:
            raise BadInput(f"{tick[0]}:{tick[1]} was not in the file when it was checked") from None

    def _not_alone(self, key: str) -> AlreadyPublishing:
        return AlreadyPublishing(
            f"something else writes to {key} as well; stopped so as not to mix ticks"
        )
