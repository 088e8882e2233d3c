"""`algo-feed run`: the process in an account's feed pod. Loads nothing large."""

import asyncio
import socket
import time
from pathlib import Path

from algo_brokers.http import Http
from algo_brokers.kinds import kind

from algo_feed.account_files import SessionFile, load_feed, load_redis
from algo_feed.errors import BadInput
from algo_feed.figures import Figures
from algo_feed.gateway import Gateway
from algo_feed.log import log
from algo_feed.pages import Pages, serve
from algo_feed.rhythm import Rhythm


async def run(folder: Path, listener: socket.socket, *, rhythm: Rhythm | None = None) -> None:
    """Works until it is cancelled.

    Args:
        folder: of the mounted Secret.
        listener: where /metrics, /healthz and /readyz are asked for.
        rhythm: other than usual.

    Raises:
        BadInput: the Secret is not a feed's, or names a broker that this release does not have.
    """
    started, rhythm = time.time(), rhythm or Rhythm()
    assignment, redis = load_feed(folder), load_redis(folder)
    try:
        broker = kind(assignment.broker)
    except ValueError as error:
        raise BadInput(str(error)) from error
    pages = Pages(Figures(), started)
    sessions = SessionFile(folder, every=rhythm.session_file)
    http = Http(proxy=assignment.egress_proxy)
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
    finally:
        server.close()
        await http.close()
