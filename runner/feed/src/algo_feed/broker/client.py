"""Calls to the account's broker with the session in force, and what to do when it refuses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from algo_brokers.errors import BrokerError, RateLimited, TokenExpired
from algo_contract.messages.broker_session import BrokerSession
from algo_service.backoff import backoff, jittered
from algo_service.logging import get_logger

from algo_feed.broker.session_file import SessionFile
from algo_feed.settings import Intervals

log = get_logger(__name__)

_FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0

Answer = TypeVar("Answer")
Tool = TypeVar("Tool")


class BrokerClient(Generic[Tool]):
    """Of one kind of call; a failure of one kind does not hold up the others."""

    def __init__(
        self,
        name: str,
        make: Callable[[BrokerSession], Tool],
        *,
        sessions: SessionFile,
        intervals: Intervals,
        longest_pause: float = LONGEST_PAUSE,
        proves_session: bool = True,
        ends_session: bool = False,
    ) -> None:
        """Asks nothing yet.

        Args:
            name: for the log.
            make: what calls go through, for a session.
            sessions: where sessions come from.
            intervals: how long a refused session waits.
            longest_pause: seconds after a failure, whatever the broker asks for.
            proves_session: an answer proves the session: the broker gives it to nobody else.
            ends_session: refusals, for as long as nothing is answered, mean that it has ended.
        """
        self._name: Final = name
        self._make: Final = make
        self._sessions: Final = sessions
        self._intervals: Final = intervals
        self._made: tuple[BrokerSession, Tool] | None = None
        self._refused: BrokerSession | None = None
        self._doubted: tuple[BrokerSession, int] | None = None
        """Refused when last asked with, and how many times in a row."""
        self._patience = intervals.refused_once
        """Seconds until a refused session is tried again."""

        self._longest: Final = longest_pause
        self._proves: Final = proves_session
        self._ends: Final = ends_session
        self._pauses = backoff(first=_FIRST_PAUSE, longest=longest_pause)
        self._failing = ""

    async def ask(self, call: Callable[[Tool], Awaitable[Answer]]) -> Answer | None:
        """The answer; None when there was none, after a pause that fits the reason.

        With a dead session it waits for another one.
        """
        session = await self._sessions.usable(refused=self._refused, seconds=self._patience)
        self._refused = None
        if self._made is None or self._made[0] != session:
            self._made = (session, self._make(session))
        try:
            answer = await call(self._made[1])
        except TokenExpired as error:
            self._refuse(session)
            self._say(error)
            return None
        except RateLimited as error:
            self._say(error)
            await asyncio.sleep(self._pause(error.retry_after))
            return None
        except BrokerError as error:
            self._say(error)
            await asyncio.sleep(self._pause())
            return None
        self._doubted = None
        if self._failing:
            log.info("broker_answered", call=self._name)
            self._failing = ""
            self._pauses = backoff(first=_FIRST_PAUSE, longest=self._longest)
        if self._proves:
            self._sessions.prove(session)
        return answer

    def _refuse(self, session: BrokerSession) -> None:
        """A first refusal may be a slip: the session is soon tried once more."""
        known, times = self._doubted or (session, 0)
        times = times + 1 if known == session else 1
        intervals = self._intervals
        waits = (intervals.refused_once, intervals.refused_twice, intervals.refused)
        self._patience = waits[min(times, len(waits)) - 1]
        self._refused, self._doubted = session, (session, times)
        if self._ends:
            self._sessions.refuse(session)
        else:
            self._sessions.disprove()

    def _pause(self, least: float = 0.0) -> float:
        """Seconds, jittered: at least `least`, but about the longest pause at the most."""
        own = next(self._pauses)
        if least < self._longest:
            return max(own, least)
        return jittered(self._longest * 0.875, spread=1 / 7)

    def _say(self, error: BrokerError) -> None:
        """Once for each kind of failure: a broker that is down does not fill the log."""
        kind = type(error).__name__
        if kind != self._failing:
            self._failing = kind
            log.warning("broker_failed", call=self._name, kind=kind, error=str(error))
