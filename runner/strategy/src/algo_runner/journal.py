"""The journal and its fence: one script checks the fence and writes everything a step decided.

`strategy:{id}:journal` gets an entry a commit: what happened, what is about to be asked of the
broker (the intents, with their tags), and the engine's state after it. The same script publishes
`strategy:{id}:state` and appends the story to `:events`, so all of it is there or none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from algo_contract.messages.codec import compact
from algo_contract.messages.runner_state import RunnerState, state_hash
from algo_contract.redis_keys import strategy as strategy_key
from algo_engine.events import Action, Cancel, Modify, Notice, Place
from algo_engine.state import (
    State,
    average_price,
    execution,
    is_done,
    position,
    protection,
    realized_pnl,
    reason_of,
)
from algo_redis.client import RedisClient
from algo_redis.connection import Argument, entry_fields
from algo_redis.errors import RedisRefused, RedisUnavailable
from algo_redis.script import Script

from algo_runner.errors import Fenced, StateFull
from algo_runner.journal_entry import snapshot

_ALLOW_FULL: Final = "#!lua flags=allow-oom\n"
"""A redis-state that is full must not stop whoever guards a position."""

_CHECK: Final = """
local epoch, start = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = redis.call('HMGET', KEYS[1], 'epoch', 'start', 'seq')
local seq = tonumber(held[3] or '0')
if held[1] and (epoch < tonumber(held[1])
    or (epoch == tonumber(held[1]) and start < tonumber(held[2]))) then
  return redis.error_reply('FENCED a newer runner has taken over')
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'start', ARGV[2])
"""
"""A lower token is refused; a higher one, or the first, is stored."""

BEGIN: Final = Script(
    _ALLOW_FULL
    + """
local epoch = tonumber(ARGV[1])
local held = redis.call('HMGET', KEYS[1], 'epoch', 'start')
if held[1] and epoch < tonumber(held[1]) then
  return redis.error_reply('FENCED a newer runner has taken over')
end
local now = redis.call('TIME')
local start = now[1] * 1000000 + now[2]
if held[1] and epoch == tonumber(held[1]) then start = math.max(start, tonumber(held[2]) + 1) end
local text = string.format('%.0f', start)
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'start', text)
return {text, redis.call('HGET', KEYS[1], 'seq') or '0'}
"""
)
"""A new process of an epoch: its start is the server's time, and later than any start before it
even where that clock was set back. ARGV: epoch. Returns that start and the last commit number."""

TAKE: Final = Script(_ALLOW_FULL + _CHECK + "return seq")

_COMMIT: Final = (
    _CHECK
    + """
if tonumber(ARGV[3]) <= seq then return 'LATE' end
redis.call('HSET', KEYS[1], 'seq', ARGV[3])
if ARGV[4] == 'mark' and ARGV[5] == '[]' then
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  if newest and newest[2][2] == 'mark' and newest[2][4] == '[]' then
    redis.pcall('XDEL', KEYS[2], newest[1])
  end
end
redis.call('XADD', KEYS[2], '*', 'kind', ARGV[4], 'data', ARGV[5], 'state', ARGV[6])
local fields = tonumber(ARGV[7])
redis.call('HSET', KEYS[3], unpack(ARGV, 8, 7 + fields))
for i = 8 + fields, #ARGV, 4 do
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', 1000, '*', 'reason', ARGV[i], 'type', ARGV[i + 1],
    'message', ARGV[i + 2], 'time', ARGV[i + 3])
end
return 'OK'
"""
)
COMMIT: Final = Script(_ALLOW_FULL + _COMMIT)
COMMIT_ENTRY: Final = Script(_COMMIT)
"""ARGV: epoch, start, commit number, kind, data, snapshot, number of state words, the state's
field and value pairs, then reason, type, message, time of each event. Every attempt has a number of
its own, and one that comes after a later one writes nothing. A mark takes the place of the mark
before it. An entry is refused (OOM) where redis-state is full."""


@dataclass(slots=True)
class Journal:
    """One strategy's journal, held under a fencing token."""

    redis: RedisClient
    strategy_id: str
    epoch: int
    start: int = 0
    """This process's start by redis-state's clock in µs; `begin` sets it."""

    sequence: int = 0
    """Of the last attempt to commit."""

    @property
    def token(self) -> tuple[int, int]:
        """(epoch, process start): the operator's count of pods, then when this process started,
        so that tokens grow whatever a node's own clock says.
        """
        return self.epoch, self.start

    async def begin(self) -> None:
        """Takes the fence for a process that has just started; waits while Redis is away.

        Raises:
            Fenced: a pod of a higher epoch holds it.
        """
        start, sequence = await self._insist(BEGIN, args=[self.epoch])
        self.start, self.sequence = int(start), int(sequence)

    async def has_taken_last(self) -> bool:
        """Takes the fence again, and learns whether the attempt made last was written, of which no
        answer came. Waits while Redis is away.

        Raises:
            Fenced: a newer runner holds it.
        """
        return int(await self._insist(TAKE, args=[*self.token])) == self.sequence

    async def _insist(self, script: Script, *, args: list[Argument]) -> Any:
        keys = [strategy_key(self.strategy_id, "fence")]
        while True:
            try:
                return await self.redis.run(script, keys=keys, args=args)
            except RedisUnavailable:
                continue
            except RedisRefused as error:
                raise fenced(error) from error

    async def last_state(self) -> str | None:
        """The newest snapshot; None when the journal is empty. Waits while Redis is away."""
        key = strategy_key(self.strategy_id, "journal")
        while True:
            try:
                entries = await self.redis.call("XREVRANGE", key, "+", "-", "COUNT", 1)
                break
            except RedisUnavailable:
                continue
        return entry_fields(entries[0][1])["state"] if entries else None

    async def commit(
        self, state: State, actions: Sequence[Action], *, kind: str, stop: int
    ) -> None:
        """Makes a step durable, before anything of it is sent. `stop` is the stop in force.

        Raises:
            RedisUnavailable: whether it was written is unknown; repeating it is harmless.
            StateFull: an entry, and redis-state has no room for it; nothing was written.
            Fenced: a newer runner has taken over; nothing was written.
        """
        enters = any(isinstance(a, Place) and a.order.side == "BUY" for a in actions)
        script = COMMIT_ENTRY if enters else COMMIT
        keys = [strategy_key(self.strategy_id, p) for p in ("fence", "journal", "state", "events")]
        self.sequence += 1
        args = self._commit_args(state, actions, kind=kind, stop=stop)
        try:
            reply = await self.redis.run(script, keys=keys, args=args)
        except RedisRefused as error:
            raise fenced(error) from error
        if reply != "OK":
            raise Fenced("a later step of this strategy is written already")

    def _commit_args(
        self, state: State, actions: Sequence[Action], *, kind: str, stop: int
    ) -> list[Argument]:
        published = state_hash(self._published(state, stop))
        words: list[Argument] = [word for pair in published.items() for word in pair]
        args: list[Argument] = [
            *self.token,
            self.sequence,
            kind,
            compact([_intent(a) for a in actions if not isinstance(a, Notice)]),
            snapshot(state),
            len(words),
            *words,
        ]
        for told in actions:
            if isinstance(told, Notice):
                type_ = "Warning" if told.is_warning else "Normal"
                args += [told.reason, type_, told.message, state.time_us]
        return args

    def _published(self, state: State, stop: int) -> RunnerState:
        return RunnerState(
            version=self.sequence,
            epoch=self.token[0],
            generation=state.strategy.generation,
            trading_day=state.trading_day,
            execution=execution(state),
            reason=reason_of(state) or "",
            position=position(state),
            average_price=average_price(state),
            stop=stop,
            realized_pnl=realized_pnl(state),
            protection=protection(state),
            done=is_done(state),
            last_action=state.last_action,
            updated_us=state.time_us,
        )


def _intent(action: Place | Modify | Cancel) -> dict[str, Any]:
    match action:
        case Place(order):
            return {"op": "place", "tag": order.tag, "order": order}
        case Modify(tag, terms):
            return {"op": "modify", "tag": tag, "terms": terms}
        case Cancel(tag):
            return {"op": "cancel", "tag": tag}


def fenced(error: RedisRefused) -> Exception:
    """A refusal by a script that checks the fence, as what it means."""
    match error.code:
        case "FENCED":
            return Fenced(error.detail)
        case "OOM":
            return StateFull("redis-state is full: no new entry")
        case _:
            return error
