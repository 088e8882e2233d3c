"""Opening a session: take the fence, recover the state, settle what was left open. What only real
brokers need is loaded only for them.
"""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from algo_brokers.paper import PaperBroker
from algo_contract.assignment import Assignment
from algo_engine.orders import OrderRow
from algo_engine.state import State, all_orders
from algo_redis.held import HeldConnection

from algo_runner.errors import Misconfigured
from algo_runner.evidence import INHERITED_US
from algo_runner.journal import Journal
from algo_runner.left_open import left_open_at_broker, left_open_on_paper
from algo_runner.recovery import recovered_state
from algo_runner.session import LATE_US, Session, stream_place

if TYPE_CHECKING:
    from algo_runner.desk import LiveDesk

STREAM_START: Final = "0-0"


async def open_session(
    day: Assignment, redis: HeldConnection, desk: "LiveDesk | None" = None
) -> Session:
    """A session that owns its strategy and carries on where the last one stopped; at a real broker
    where there is a desk, else on paper.

    Raises:
        Fenced: a newer runner holds the strategy.
        Misconfigured: the journal is not of this release.
    """
    journal = Journal(redis=redis, strategy_id=day.strategy.id, epoch=day.epoch)
    await journal.begin()
    if desk is not None:
        return await _open_live(day, journal, desk)
    paper = PaperBroker(
        redis, strategy_id=day.strategy.id, token=journal.token, slippage_bps=day.slippage_bps
    )
    await paper.load()
    rows = await paper.orders()
    state = _recovered(day, await journal.last_state(), rows)
    session = Session(day=day, journal=journal, paper=paper, state=state)
    left = left_open_on_paper(state, {row.tag: row for row in rows})
    await session.resume(left, kind="started")
    return session


async def _open_live(day: Assignment, journal: Journal, desk: "LiveDesk") -> Session:
    from algo_runner.desk import first_book

    journalled = await journal.last_state()
    is_known = _recovered(day, journalled, []).entry is not None
    rows = await first_book(desk, is_known=is_known) or []
    state = _recovered(day, journalled, rows)
    if journalled is None and state.entry is None and _may_have_bought(day):
        why = "The journal is gone and the buy time has passed: a purchase may be on its way."
        state = replace(state, skip_reason="unresolved", refusal=why, last_action=why)
    session = Session(day=day, journal=journal, paper=None, state=state)
    for order in all_orders(state):
        if order.status == "PENDING":
            desk.evidence.begin(order.tag, time.time_ns() // 1000 + INHERITED_US)
    left = left_open_at_broker(state, {row.tag: row for row in rows})
    await session.resume(left, kind="started")
    return session


def _may_have_bought(day: Assignment) -> bool:
    """Whether an earlier pod of the strategy may have entered: no book shows for sure so soon that
    it has not. Recorded days are begun anew.
    """
    if day.epoch <= 1 or day.clock == "Feed":
        return False
    buy_us = day.session.midnight_us + day.strategy.buy_time * 1_000_000
    return time.time_ns() // 1000 >= buy_us


def _recovered(day: Assignment, journalled: str | None, rows: list[OrderRow]) -> State:
    try:
        return recovered_state(day, journalled, rows)
    except ValueError as error:
        raise Misconfigured(str(error)) from error


def first_tick_id(session: Session, *, now_ms: int) -> str:
    """Behind which id to read on.

    The last tick that left a trace in journal or book; else, for a recorded day, its start, and
    under the wall clock now less the age at which a tick may still decide.
    """
    if stream_place(session.state.cursor) > (0, 0):
        return session.state.cursor
    return STREAM_START if session.day.clock == "Feed" else f"{now_ms - LATE_US // 1000}-0"
