"""Opening a session: take the fence, recover the state, settle what was left open. What only real
brokers need is loaded only for them.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from algo_brokers.paper import PaperBroker
from algo_contract.messages.assignment import Assignment
from algo_engine.events import Event, Notice
from algo_engine.state import all_orders
from algo_redis.client import RedisClient
from algo_service.clock import now_us as wall_us
from algo_service.logging import get_logger

from algo_runner.journal import Journal
from algo_runner.journal_entry import read_snapshot
from algo_runner.live.inflight import INHERITED_US
from algo_runner.recovery.reconciliation import left_open_at_broker, left_open_on_paper
from algo_runner.recovery.state import recovered_state
from algo_runner.session import LATE_US, StrategySession, stream_place

if TYPE_CHECKING:
    from algo_runner.live.execution_client import ExecutionClient

log = get_logger(__name__)

STREAM_START: Final = "0-0"


async def open_session(
    day: Assignment, redis: RedisClient, client: "ExecutionClient | None" = None
) -> StrategySession:
    """A session that owns its strategy and carries on where the last one stopped; at a real broker
    where there is a desk, else on paper.

    Raises:
        Fenced: a newer runner holds the strategy.
    """
    journal = Journal(redis=redis, strategy_id=day.strategy.id, epoch=day.epoch)
    await journal.begin()
    if client is not None:
        return await _open_live(day, journal, client)
    paper = PaperBroker(
        redis, strategy_id=day.strategy.id, token=journal.token, slippage_bps=day.slippage_bps
    )
    await paper.load()
    rows = await paper.orders()
    journalled, unreadable = _readable(await journal.last_state())
    state = recovered_state(day, journalled, rows)
    session = StrategySession(day=day, journal=journal, paper=paper, state=state)
    left = left_open_on_paper(state, {row.tag: row for row in rows})
    await session.resume([*unreadable, *left], kind="started")
    return session


async def _open_live(
    day: Assignment, journal: Journal, client: "ExecutionClient"
) -> StrategySession:
    from algo_runner.live.execution_client import first_book

    journalled, unreadable = _readable(await journal.last_state())
    is_known = recovered_state(day, journalled, []).entry is not None
    rows = await first_book(client, is_known=is_known) or []
    state = recovered_state(day, journalled, rows)
    is_lost = journalled is None and state.entry is None
    if is_lost and _may_have_bought(day, has_journal=bool(unreadable)):
        why = "The journal is lost and the buy time has passed: a purchase may be on its way."
        state = replace(state, skip_reason="unresolved", refusal=why, last_action=why)
    session = StrategySession(day=day, journal=journal, paper=None, state=state)
    for order in all_orders(state):
        if order.status == "PENDING":
            client.inflight.begin(order.tag, wall_us() + INHERITED_US)
    left = left_open_at_broker(state, {row.tag: row for row in rows})
    await session.resume([*unreadable, *left], kind="started")
    return session


def _readable(journalled: str | None) -> tuple[str | None, list[Event]]:
    """The newest snapshot, where this release can read it; else None, and a notice of that. A newer
    release may have written it; then the book is the journal, because somebody must guard.
    """
    if journalled is None:
        return None, []
    try:
        read_snapshot(journalled)
    except ValueError as error:
        log.warning("journal_unreadable", error=str(error))
        message = "The journal is of another release: the state is rebuilt from the broker's book."
        return None, [Notice("JournalUnreadable", message, is_warning=True)]
    return journalled, []


def _may_have_bought(day: Assignment, *, has_journal: bool) -> bool:
    """Whether an earlier process of the strategy may have entered: no book shows for sure so soon
    that it has not. Recorded days are begun again, unless something was journalled.
    """
    if day.clock == "Feed":
        return has_journal
    if day.epoch <= 1 and not has_journal:
        return False
    buy_us = day.session.midnight_us + day.strategy.buy_time * 1_000_000
    return wall_us() >= buy_us


def first_tick_id(session: StrategySession, *, now_ms: int) -> str:
    """Behind which id to read on.

    The last tick that left a trace in journal or book; else, for a recorded day, its start, and
    under the wall clock now less the age at which a tick may still decide.
    """
    if stream_place(session.state.cursor) > (0, 0):
        return session.state.cursor
    return STREAM_START if session.day.clock == "Feed" else f"{now_ms - LATE_US // 1000}-0"
