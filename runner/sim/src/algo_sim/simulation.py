"""Exchange, brokers and the clock together: what is played, and who is told."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from algo_engine.tick_file import FileTick

from algo_sim.broker import SimulatedBroker
from algo_sim.exchange.exchange import Exchange
from algo_sim.protocol import BrokerProtocol, PriceUpdate
from algo_sim.tick_source import TickSource, day_begins_us

_SECOND: Final = 1_000_000
_YIELD_EVERY: Final = 64
_CLOCK_SECONDS: Final = 1.0
_STEP_SECONDS: Final = 0.01
_DAY_AFTER_CLOSE_US: Final = 60 * _SECOND


@dataclass(frozen=True, slots=True, order=True)
class Timed:
    """Something to be done at an exchange time."""

    time_us: int
    number: int
    act: Callable[[], object] = field(compare=False)


class Simulation:
    """One exchange, any number of brokers over it, one tick file."""

    def __init__(self, exchange: Exchange, source: TickSource) -> None:
        """Stands still."""
        self.exchange: Final = exchange
        self.brokers: Final[dict[str, SimulatedBroker]] = {}
        self.protocols: Final[dict[str, BrokerProtocol]] = {}
        self.timed: Final[list[Timed]] = []
        self.played = 0
        self.is_running = False
        self._source: Final = source
        self._telling: Final = asyncio.Lock()
        self._playing: Final = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def now_us(self) -> int:
        """Exchange time."""
        return self.exchange.market.now_us

    @property
    def is_done(self) -> bool:
        """Whether every tick was played."""
        return self._source.next is None

    async def flush(self) -> None:
        """Tells everybody what happened to their orders; returns when it is on its way."""
        async with self._telling:
            for name, broker in self.brokers.items():
                broker.strike_stops()
                events = broker.updates(broker.account.take_events())
                if events:
                    await self.protocols[name].tell(events)

    async def advance_to(self, time_us: int) -> None:
        """Plays all ticks up to a moment and moves the clock there."""
        async with self._playing:
            await self._play_to(time_us)
            await self._move_to(time_us)

    async def advance_ticks(self, count: int) -> None:
        """Plays so many ticks, or what is left."""
        async with self._playing:
            for _ in range(count):
                tick = self._source.next
                if tick is None:
                    break
                await self._do_timed(tick[2])
                await self._show([self._play_one()])

    def start(self, speed: float) -> None:
        """Plays on by itself at `speed` times real time; infinite: as fast as it goes."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(speed))
            self._task.add_done_callback(self._ended)
            self.is_running = True

    async def stop(self) -> None:
        """Ends playing."""
        if self._task is not None:
            _ = self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Says aloud what ended the playing, unless it was the end of the day."""
        self.is_running = False
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            context = {"message": "algo-sim stopped playing", "exception": failure}
            task.get_loop().call_exception_handler(context)

    async def show_clock(self) -> None:
        """Sends the last prices again, stamped with the clock: nothing trades, time goes on. A
        broker that sends changes alone is silent about them.
        """
        market = self.exchange.market
        wanted = {key for protocol in self.protocols.values() for key in protocol.wanted()}
        found = [market.instruments.by_token(*key) for key in sorted(wanted)]
        shown = [PriceUpdate(x, market.prices_of(x), market.now_us) for x in found if x is not None]
        await self._show(shown, is_change=False)

    async def _run(self, speed: float) -> None:
        loop_from, from_us = time.monotonic(), self.now_us
        last_clock = loop_from
        while not (self.is_done and self._day_is_over()):
            async with self._playing:
                passed = time.monotonic() - loop_from
                reached = math.inf if math.isinf(speed) else from_us + passed * speed * _SECOND
                tick = self._source.next
                begins_us = day_begins_us(tick[2]) if tick else 0
                if begins_us > self.now_us and self._day_is_over():
                    loop_from, from_us = time.monotonic(), begins_us
                    await self._move_to(begins_us, is_quiet=True)
                    continue
                before = self.played
                await self._play_to(reached, most=_YIELD_EVERY)
                fell_short = self._is_due(reached)
                if not fell_short:
                    end_us = self._closes_us() + _DAY_AFTER_CLOSE_US
                    await self._move_to(int(min(reached, max(end_us, self.now_us))), is_quiet=True)
                now = time.monotonic()
                if self.played == before and now - last_clock >= _CLOCK_SECONDS:
                    await self.show_clock()
                if self.played != before or now - last_clock >= _CLOCK_SECONDS:
                    last_clock = now
            await asyncio.sleep(0 if fell_short else _STEP_SECONDS)

    def _is_due(self, time_us: float) -> bool:
        tick = self._source.next
        return tick is not None and tick[2] <= time_us

    def _day_is_over(self) -> bool:
        hours = [broker.account.hours.closes_us for broker in self.brokers.values()]
        return self.now_us >= max(hours, default=0) + _DAY_AFTER_CLOSE_US

    async def _play_to(self, time_us: float, *, most: int = 0) -> None:
        """Plays ticks up to a moment; with `most` about so many only."""
        played = 0
        while (tick := self._source.next) is not None and tick[2] <= time_us:
            moment = tick[2]
            await self._do_timed(moment)
            shown = [self._play_one()]
            while self._is_due(moment):
                shown.append(self._play_one())
            await self._show(shown)
            played += len(shown)
            if most and played >= most:
                return

    def _play_one(self) -> PriceUpdate | None:
        tick: FileTick = self._source.take()
        begins_us = day_begins_us(tick[2])
        if begins_us > self.now_us:
            self.exchange.move_to(self._closes_us())
            self.exchange.next_day(begins_us)
        self.exchange.tick(tick)
        self.played += 1
        instrument = self.exchange.market.instruments.by_symbol(tick[0], tick[1])
        if instrument is None:
            return None
        return PriceUpdate(instrument, self.exchange.market.prices_of(instrument), tick[2])

    async def _move_to(self, time_us: int, *, is_quiet: bool = False) -> None:
        """Moves the clock past the last tick; the new time is shown in unchanged prices."""
        await self._do_timed(time_us)
        before = self.now_us
        if day_begins_us(time_us) > day_begins_us(before):
            self.exchange.move_to(self._closes_us())
            await self.flush()
            self.exchange.next_day(day_begins_us(time_us))
        self.exchange.move_to(time_us)
        await self.flush()
        if not is_quiet and self.now_us > before:
            await self.show_clock()

    def _closes_us(self) -> int:
        return max(
            (broker.account.hours.closes_us for broker in self.brokers.values()),
            default=self.now_us,
        )

    async def _do_timed(self, time_us: int) -> None:
        while self.timed and self.timed[0].time_us <= time_us:
            timed = self.timed.pop(0)
            self.exchange.move_to(timed.time_us)
            found = timed.act()
            if isinstance(found, asyncio.Future) or asyncio.iscoroutine(found):
                await found
            await self.flush()

    async def _show(self, found: Sequence[PriceUpdate | None], *, is_change: bool = True) -> None:
        prices = [shown for shown in found if shown is not None]
        for name, protocol in self.protocols.items():
            broker = self.brokers[name]
            showable = broker.shown(prices)
            if showable:
                is_told = is_change or broker.packets == "clock"
                await protocol.show(showable if is_told else ())
        await self.flush()
