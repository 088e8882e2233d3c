"""`algo-feed run`: the process in an account's feed pod. Loads nothing large."""

import asyncio
import socket
from functools import partial
from pathlib import Path

from algo_brokers.adapters import adapter
from algo_brokers.errors import DeniedLocally
from algo_brokers.http.client import HttpClient
from algo_contract.messages.feed_assignment import FEED_FILE, FeedAssignment, read_feed
from algo_contract.messages.redis_server import RedisServer
from algo_redis.errors import RedisError, RedisRefused
from algo_service.http_server import Pages, serve
from algo_service.logging import get_logger
from algo_service.mounted_secret import LOGIN_REFUSALS, LoginChanged, check_login, load, load_redis
from algo_service.process import first_cause

from algo_feed.broker.session_file import SessionFile
from algo_feed.errors import BadInput, FeedError
from algo_feed.gateway import Gateway
from algo_feed.metrics import Metrics
from algo_feed.metrics_page import MetricsPage
from algo_feed.settings import Intervals

log = get_logger(__name__)


async def run(folder: Path, listener: socket.socket, *, intervals: Intervals | None = None) -> None:
    """Works until it is cancelled.

    Args:
        folder: of the mounted Secret.
        listener: where /metrics, /healthz and /readyz are asked for.
        intervals: other than usual.

    Raises:
        SecretUnusable: the Secret is not a feed's.
        BadInput: it names a broker that this release does not have, or a proxy that cannot be used.
        LoginChanged: the Redis log-in in the Secret is not the one in use any more.
    """
    intervals = intervals or Intervals()
    assignment = load(folder, FEED_FILE, read_feed)
    _, redis = load_redis(folder)
    try:
        broker = adapter(assignment.broker)
    except ValueError as error:
        raise BadInput(str(error)) from error
    page = MetricsPage(Metrics())
    gateway: Gateway | None = None
    pages = Pages(
        metrics=page.text,
        is_ready=lambda: gateway is not None and gateway.ready.is_set(),
        not_ready="no session or no market socket",
    )
    sessions = SessionFile(folder, every=intervals.session_file)
    http = _http(assignment)
    server = await serve(pages, listener)
    try:
        async with asyncio.TaskGroup() as tasks:
            _ = tasks.create_task(sessions.watch())
            log.info("feed_started", feed=assignment.feed, broker=assignment.broker)
            session = await sessions.usable(refused=None, seconds=intervals.refused)
            gateway = Gateway(
                assignment,
                kind=broker,
                http=http,
                redis=redis,
                on_redis_retry=partial(_check_login, folder, redis),
                sessions=sessions,
                streams=broker.streams(
                    broker.endpoints(assignment.base_url, assignment.feed_url), session
                ),
                intervals=intervals,
                metrics=page.metrics,
            )
            page.clock, page.encoder = gateway.clock, gateway.encoder
            await gateway.run()
    except BaseExceptionGroup as group:
        own = group.subgroup((FeedError, LoginChanged))
        if own is None:
            raise
        raise first_cause(own) from group
    finally:
        server.close()
        await http.close()


def _http(assignment: FeedAssignment) -> HttpClient:
    try:
        return HttpClient(proxy=assignment.egress_proxy)
    except DeniedLocally as error:
        raise BadInput(f"the account's egress proxy cannot be used: {error}") from None


def _check_login(folder: Path, redis: RedisServer, error: RedisError, _delay: float) -> None:
    if isinstance(error, RedisRefused) and error.code in LOGIN_REFUSALS:
        check_login(folder, redis)
