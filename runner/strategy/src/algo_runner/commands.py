"""Reads `strategy:{id}:commands`: wishes of people and of the operator, to be heard at once."""

from typing import cast, get_args

from algo_contract import stream_fields
from algo_contract.redis_keys import strategy as strategy_key
from algo_contract.stream_fields import CommandKind
from algo_engine.events import Command
from algo_redis.client import RedisClient
from algo_redis.connection import entry_fields
from algo_redis.errors import RedisUnavailable
from algo_service.clock import now_us as wall_us


async def next_commands(
    redis: RedisClient, strategy_id: str, *, after: str, trading_day: str, block_ms: int
) -> tuple[str, list[Command]]:
    """Waits for commands: (id of the last entry read, the commands that are meant for now).

    At most `block_ms` milliseconds, 0 for those that are there (a server lets even the shortest
    wait last up to a tenth of a second). Those of another trading day, expired, unknown and
    unreadable ones are passed over.
    """
    key = strategy_key(strategy_id, "commands")
    blocking = ("BLOCK", block_ms) if block_ms else ()
    try:
        reply = await redis.call("XREAD", "COUNT", 100, *blocking, "STREAMS", key, after)
    except RedisUnavailable:
        return after, []
    entries = next(iter(reply.values())) if reply else []
    now_us = wall_us()
    commands: list[Command] = []
    for entry_id, fields in entries:
        after = entry_id
        command = _read(entry_id, entry_fields(fields), trading_day=trading_day, now_us=now_us)
        if command is not None:
            commands.append(command)
    return after, commands


def _read(
    entry_id: str, fields: dict[str, str], *, trading_day: str, now_us: int
) -> Command | None:
    kind = fields.get(stream_fields.COMMAND_KIND, "")
    try:
        expiry_us = int(fields.get(stream_fields.COMMAND_EXPIRY, ""))
    except ValueError:
        return None
    is_for_now = fields.get(stream_fields.COMMAND_DAY) == trading_day and expiry_us > now_us
    if kind not in get_args(CommandKind) or not is_for_now:
        return None
    return Command(entry_id, cast("CommandKind", kind))
