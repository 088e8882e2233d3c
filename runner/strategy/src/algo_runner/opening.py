"""Opening a session: take the fence, recover the state, settle what was left open."""

from typing import Final

from algo_brokers.paper import PaperBroker
from algo_contract.assignment import Assignment
from algo_redis.held import HeldConnection

from algo_runner.errors import Misconfigured
from algo_runner.journal import Journal
from algo_runner.recovery import recovered_state
from algo_runner.session import LATE_US, Session, stream_place

STREAM_START: Final = "0-0"


async def open_session(day: Assignment, redis: HeldConnection) -> Session:
    """A session that owns its strategy and carries on where the last one stopped.

    Raises:
        Fenced: a newer runner holds the strategy.
        Misconfigured: the journal is not of this release.
    """
    journal = Journal(redis=redis, strategy_id=day.strategy.id, epoch=day.epoch)
    await journal.begin()
    broker = PaperBroker(
        redis, strategy_id=day.strategy.id, token=journal.token, slippage_bps=day.slippage_bps
    )
    await broker.load()
    try:
        state = recovered_state(day, await journal.last_state(), await broker.orders())
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    session = Session(day=day, journal=journal, broker=broker, state=state)
    await session.resume(kind="started")
    return session


def first_tick_id(session: Session, *, now_ms: int) -> str:
    """Behind which id to read on.

    The last tick that left a trace in journal or book; else, for a recorded day, its start, and
    under the wall clock now less the age at which a tick may still decide.
    """
    if stream_place(session.state.cursor) > (0, 0):
        return session.state.cursor
    return STREAM_START if session.day.clock == "Feed" else f"{now_ms - LATE_US // 1000}-0"
