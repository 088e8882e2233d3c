"""The account's session in the feed pod's Secret, and what the broker's answers say of it. The
kubelet changes the file in place when the Secret does.
"""

import asyncio
import time
from pathlib import Path
from typing import Final

from algo_contract.messages.broker_session import SESSION_FILE, BrokerSession, read_session
from algo_service.logging import get_logger

log = get_logger(__name__)

PROOF_SECONDS: Final = 10.0
"""A session that the broker took so short a time ago is good."""


class SessionFile:
    """The account's session at the broker, as the newest file has it."""

    def __init__(self, folder: Path, *, every: float) -> None:
        """Reads at once, and every so many seconds while `watch` runs."""
        self._path: Final = folder / SESSION_FILE
        self._every: Final = every
        self._text = ""
        self._session: BrokerSession | None = None
        self._changed = asyncio.Event()
        self._proven: tuple[BrokerSession, float] | None = None
        self._refused: tuple[BrokerSession, float, float] | None = None
        """With the first and the newest refusal since the broker last answered it."""
        self._read()

    async def watch(self) -> None:
        """Follows the file forever."""
        while True:
            await asyncio.sleep(self._every)
            if self._read():
                log.info("session_read")
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()

    async def usable(self, *, refused: BrokerSession | None, seconds: float) -> BrokerSession:
        """A session: another one than that which the broker refused, or after so many seconds
        the same once more, for refusals can be wrong.
        """
        try:
            async with asyncio.timeout(seconds if refused is not None else None):
                while self._session is None or self._session == refused:
                    _ = await self._changed.wait()
        except TimeoutError:
            pass
        return self._session or await self.usable(refused=None, seconds=seconds)

    def prove(self, session: BrokerSession) -> None:
        """The broker has just answered a call of this session."""
        self._proven = (session, time.monotonic())
        if self._refused is not None and self._refused[0] == session:
            self._refused = None

    def disprove(self) -> None:
        """The broker has refused a call for its session."""
        self._proven = None

    def refuse(self, session: BrokerSession) -> None:
        """The same of a call whose answer would have proven the session."""
        self.disprove()
        now = first = time.monotonic()
        if self._refused is not None and self._refused[0] == session:
            first = self._refused[1]
        self._refused = (session, first, now)

    def ended(self, *, after: float) -> BrokerSession | None:
        """The session in force, where the broker has ended it: it refused it again so many seconds
        after a first time and answered nothing between. One slip of a host of its ends nothing.
        """
        if self._refused is None or self._refused[0] != self._session:
            return None
        session, first, newest = self._refused
        return session if newest - first >= after else None

    def is_proven(self, session: BrokerSession) -> bool:
        """Whether the broker answered this session a moment ago, and has not refused it since."""
        if self._proven is None or self._proven[0] != session:
            return False
        return time.monotonic() - self._proven[1] <= PROOF_SECONDS

    def _read(self) -> bool:
        """Whether there is a new session."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except OSError:
            return False
        if text == self._text:
            return False
        self._text = text
        try:
            session = read_session(text)
        except ValueError as error:
            log.warning("session_unreadable", error=str(error))
            return False
        is_new, self._session = session != self._session, session
        return is_new
