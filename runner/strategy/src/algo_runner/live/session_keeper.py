"""The session at the broker over a live runner's day: kept warm, noticed when it dies, replaced
when a new one comes with the Secret.
"""

import asyncio
from pathlib import Path
from typing import Final

from algo_brokers.errors import BrokerError, TokenExpired
from algo_contract.messages.broker_session import SESSION_FILE, read_session
from algo_engine.events import Notice, SessionRenewed
from algo_engine.state import is_done
from algo_service.logging import get_logger
from algo_service.mounted_secret import SecretUnusable, load

from algo_runner.live.execution_client import ExecutionClient
from algo_runner.session import StrategySession

log = get_logger(__name__)

WARM_SECONDS: Final = 20.0
"""Servers close connections that are idle for longer; a new one costs two round trips and TLS."""

LOOK_SECONDS: Final = 0.5


async def keep_session(session: StrategySession, client: ExecutionClient, folder: Path) -> None:
    """Runs for as long as the session does.

    Raises:
        Fenced: a newer runner has taken over.
    """
    looks = 0
    is_dead = False
    while True:
        if looks % int(WARM_SECONDS / LOOK_SECONDS) == 0 and not is_done(session.state):
            is_dead = await _checked(session, client, is_dead=is_dead)
        looks += 1
        await asyncio.sleep(LOOK_SECONDS)
        if _is_renewed(session, client, folder):
            looks = 0
            await session.handle(SessionRenewed(), kind="session")


async def _checked(session: StrategySession, client: ExecutionClient, *, is_dead: bool) -> bool:
    """Whether the broker says that the session is dead; told once."""
    try:
        await client.broker.check()
    except TokenExpired as error:
        if not is_dead:
            words = f"{error} The stop at the broker stays; nothing can be sent until a new log-in."
            await session.handle(Notice("TokenDead", words, is_warning=True), kind="token")
        return True
    except BrokerError as error:
        log.warning("broker_check_failed", error=str(error))
        return is_dead
    if is_dead:
        await session.handle(Notice("TokenRenewed", "Logged in again."), kind="token")
    return False


def _is_renewed(session: StrategySession, client: ExecutionClient, folder: Path) -> bool:
    try:
        known = load(folder, SESSION_FILE, read_session)
    except SecretUnusable as error:
        log.warning("session_unreadable", error=str(error))
        return False
    if known == client.session or known.broker != session.day.broker:
        return False
    session.day = client.renew(known)
    log.info("session_renewed", expires_us=known.expires_us)
    return True
