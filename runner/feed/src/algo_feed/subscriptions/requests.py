"""What strategies want of a feed, and what the feed answers: facts of the shares it knows, and the
names of those it does not. Compared with what Redis holds each time: it may come back empty.
"""

import time
from collections.abc import Iterable
from typing import Final

from algo_brokers.instruments import Instrument, InstrumentMaster
from algo_contract import redis_keys
from algo_contract.messages.instrument import InstrumentFacts, instrument_json
from algo_redis.client import RedisClient
from algo_redis.connection import Command

MOST_NAMES: Final = 20_000
"""Wishes looked at; more than any broker's sockets carry."""


class SubscriptionRequests:
    """One feed's keys `instruments`, `facts` and `unknown`."""

    def __init__(self, redis: RedisClient, *, feed: str, unwanted_seconds: float) -> None:
        """Reads nothing yet. `unwanted_seconds`: how long a vanished wish is still granted."""
        self._redis: Final = redis
        self._wanted_key: Final = redis_keys.feed_instruments(feed)
        self._facts_key: Final = redis_keys.feed_facts(feed)
        self._unknown_key: Final = redis_keys.feed_unknown(feed)
        self._unwanted: Final = unwanted_seconds
        self._asked_at: dict[str, float] = {}
        self._facts: dict[str, str] = {}
        """What was written, by name."""

    async def names(self) -> list[str]:
        """EXCHANGE:SYMBOL of everything wanted now or a moment ago, in order.

        Raises:
            RedisError: not to be had now.
        """
        now = time.monotonic()
        asked = sorted(await self._redis.call("SMEMBERS", self._wanted_key))[:MOST_NAMES]
        self._asked_at |= dict.fromkeys(asked, now)
        self._asked_at = {
            name: at for name, at in self._asked_at.items() if now - at <= self._unwanted
        }
        return sorted(self._asked_at)

    async def answer(self, known: Iterable[Instrument], unknown: Iterable[str]) -> None:
        """Writes what differs from what is there.

        Raises:
            RedisError: not to be done now.
        """
        facts = {f"{i.exchange}:{i.symbol}": facts_json(i) for i in known}
        connection = await self._redis.ready()
        shown, missing = await connection.execute(
            ("HKEYS", self._facts_key), ("SMEMBERS", self._unknown_key)
        )
        new = [
            word
            for name, text in facts.items()
            if name not in shown or self._facts.get(name) != text
            for word in (name, text)
        ]
        gone = sorted(set(shown) - facts.keys())
        commands: list[Command] = [("HSET", self._facts_key, *new)] if new else []
        commands += [("HDEL", self._facts_key, *gone)] if gone else []
        if set(missing) != set(unknown):
            commands += [("MULTI",), ("DEL", self._unknown_key)]
            commands += [("SADD", self._unknown_key, *sorted(unknown))] if unknown else []
            commands += [("EXEC",)]
        _ = await connection.execute(*commands)
        self._facts = facts


def facts_json(instrument: Instrument) -> str:
    """An instrument as the operator reads it."""
    return instrument_json(
        InstrumentFacts(
            token=instrument.token,
            tick_size=instrument.tick_size,
            lot_size=instrument.lot_size,
            freeze_quantity=instrument.freeze_quantity,
        )
    )


def resolve_instruments(
    names: Iterable[str], master: InstrumentMaster
) -> tuple[list[Instrument], list[str]]:
    """The shares behind names, and the names that the broker does not know."""
    known: list[Instrument] = []
    unknown: list[str] = []
    for name in names:
        exchange, _, symbol = name.partition(":")
        found = master.by_symbol(exchange, symbol)
        if found is None:
            unknown.append(name)
        else:
            known.append(found)
    return known, unknown
