"""`algo-feed run`: the process in an account's feed pod. Loads nothing large."""

import asyncio
import socket
import time
from functools import partial
from pathlib import Path
from typing import Final

from algo_brokers.errors import DeniedLocally
from algo_brokers.http import Http
from algo_brokers.kinds import kind
from algo_contract.assignment import RedisServer
from algo_contract.feed_assignment import FeedAssignment
from algo_redis.errors import RedisError, RedisRefused

from algo_feed.account_files import SessionFile, check_redis, load_feed, load_redis
from algo_feed.errors import BadInput, FeedError
from algo_feed.figures import Figures
from algo_feed.gateway import Gateway
from algo_feed.log import log
from algo_feed.pages import Pages, serve
from algo_feed.rhythm import Rhythm

LOGIN_REFUSALS: Final = frozenset({"WRONGPASS", "NOAUTH"})


async def run(folder: Path, listener: socket.socket, *, rhythm: Rhythm | None = None) -> None:
    """Works until it is cancelled.

    Args:
        folder: of the mounted Secret.
        listener: where /metrics, /healthz and /readyz are asked for.
        rhythm: other than usual.

    Raises:
        BadInput: the Secret is not a feed's, or names a broker that this release does not have or
            a proxy that cannot be used.
        RedisFailed: the log-in in the Secret is not the one in use any more.
    """
    started, rhythm = time.time(), rhythm or Rhythm()
    assignment, redis = load_feed(folder), load_redis(folder)
    try:
        broker = kind(assignment.broker)
    except ValueError as error:
        raise BadInput(str(error)) from error
    pages = Pages(Figures(), started)
    sessions = SessionFile(folder, every=rhythm.session_file)
    http = _http(assignment)
    server = await serve(pages, listener)
    try:
        async with asyncio.TaskGroup() as tasks:
            _ = tasks.create_task(sessions.watch())
            log("feed_started", feed=assignment.feed, broker=assignment.broker)
            session = await sessions.usable(refused=None, seconds=rhythm.refused)
            gateway = Gateway(
                assignment,
                kind=broker,
                http=http,
                redis=redis,
                on_redis_retry=partial(_check_login, folder, redis),
                sessions=sessions,
                wires=broker.wires(
                    broker.endpoints(assignment.base_url, assignment.feed_url), session
                ),
                rhythm=rhythm,
                figures=pages.figures,
            )
            pages.clock, pages.lines = gateway.clock, gateway.lines
            pages.is_ready = gateway.ready.is_set
            await gateway.run()
    except BaseExceptionGroup as group:
        own = group.subgroup(FeedError)
        if own is None:
            raise
        raise _first(own) from group
    finally:
        server.close()
        await http.close()


def _http(assignment: FeedAssignment) -> Http:
    try:
        return Http(proxy=assignment.egress_proxy)
    except DeniedLocally as error:
        raise BadInput(f"the account's egress proxy cannot be used: {error}") from None


def _check_login(folder: Path, redis: RedisServer, error: RedisError, _delay: float) -> None:
    if isinstance(error, RedisRefused) and error.code in LOGIN_REFUSALS:
        check_redis(folder, redis)


def _first(group: BaseExceptionGroup) -> BaseException:
    """The first exception in a group of groups."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
