"""The journal and its fence: one script checks the fence and writes everything a step decided.

`strategy:{id}:journal` gets an entry a commit: what happened, what is about to be asked of the
broker (the intents, with their tags), and the engine's state after it. The same script publishes
`strategy:{id}:state` and appends the story to `:events`, so all of it is there or none.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from algo_contract.assignment import RunnerState, state_hash
from algo_contract.redis_keys import strategy as strategy_key
from algo_engine.events import Action, Cancel, Modify, Place, Tell
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
from algo_redis.connection import Argument
from algo_redis.errors import RedisRefused, RedisUnavailable
from algo_redis.held import HeldConnection
from algo_redis.script import Script

from algo_runner.errors import Fenced
from algo_runner.snapshot import snapshot

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

TAKE: Final = Script(_CHECK + "return seq")

COMMIT: Final = Script(
    _CHECK
    + """
if tonumber(ARGV[3]) <= seq then return 'KNOWN' end
redis.call('HSET', KEYS[1], 'seq', ARGV[3])
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
"""ARGV: epoch, start, commit number, kind, data, snapshot, number of state words, the state's
field and value pairs, then reason, type, message, time of each event. A commit number that was
written already is not written again, so a commit whose answer was lost may be repeated."""


@dataclass(slots=True)
class Journal:
    """One strategy's journal, held under a fencing token."""

    redis: HeldConnection
    strategy_id: str
    token: tuple[int, int]
    """(epoch, process start): the operator's count of pods, then redis-state's clock in µs when
    this process started, so that tokens grow whatever a node's own clock says."""

    sequence: int = 0

    async def take(self) -> None:
        """Takes the fence; waits while Redis is away.

        Raises:
            Fenced: a newer runner holds it.
        """
        while True:
            try:
                keys = [strategy_key(self.strategy_id, "fence")]
                self.sequence = await self.redis.run(TAKE, keys=keys, args=[*self.token])
                return
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
        return _field(entries[0][1], "state") if entries else None

    async def commit(
        self, state: State, actions: Sequence[Action], *, kind: str, stop: int
    ) -> None:
        """Makes a step durable, before anything of it is sent. `stop` is the stop in force.

        Raises:
            RedisUnavailable: whether it was written is unknown; repeating it is harmless.
            Fenced: a newer runner has taken over; nothing was written.
        """
        published = state_hash(self._published(state, stop))
        words: list[Argument] = [word for pair in published.items() for word in pair]
        args: list[Argument] = [
            *self.token,
            self.sequence + 1,
            kind,
            json.dumps([_intent(a) for a in actions if not isinstance(a, Tell)]),
            snapshot(state),
            len(words),
            *words,
        ]
        for told in actions:
            if isinstance(told, Tell):
                type_ = "Warning" if told.is_warning else "Normal"
                args += [told.reason, type_, told.message, state.time_us]
        keys = [strategy_key(self.strategy_id, p) for p in ("fence", "journal", "state", "events")]
        try:
            await self.redis.run(COMMIT, keys=keys, args=args)
        except RedisRefused as error:
            raise fenced(error) from error
        self.sequence += 1

    def _published(self, state: State, stop: int) -> RunnerState:
        return RunnerState(
            version=self.sequence + 1,
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
            return {"op": "place"} | asdict(order)
        case Modify(tag, terms):
            return {"op": "modify", "tag": tag, "terms": asdict(terms)}
        case Cancel(tag):
            return {"op": "cancel", "tag": tag}


def fenced(error: RedisRefused) -> Exception:
    """A refusal by a script that checks the fence, as what it means."""
    return Fenced(error.detail) if error.code == "FENCED" else error


def _field(fields: Any, name: str) -> str:
    pairs = (
        fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
    )
    return str(pairs[name])
