"""`algo-feed run | publish`. Each loads its own modules only: `run` must stay small."""

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from pathlib import Path

USAGE: Final = """\
usage: algo-feed run [--secret FOLDER] [--port N]
       algo-feed publish --ticks FILE [--speed N] [--account NAMESPACE/NAME] [--wait-ready N]

run      the process in an account's feed pod: reads its Secret under /etc/algo
publish  replay a recorded tick file into redis-ticks; algo-feed publish --help shows all options
"""


def main() -> int:
    """The command line; returns the exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["publish"]:
        return _publish(arguments[1:])
    if arguments[:1] == ["run"]:
        return _run(arguments[1:])
    asked = arguments[:1] in (["-h"], ["--help"])
    _ = (sys.stdout if asked else sys.stderr).write(USAGE)
    return 0 if asked else 2


def _run(arguments: list[str]) -> int:
    from algo_service.process import listen, run_options

    options = run_options("algo-feed", arguments)
    with listen("algo-feed", options.port) as listener:
        return _serve(listener, options.secret)


def _serve(listener: "socket.socket", folder: "Path") -> int:
    import uvloop
    from algo_service.logging import get_logger, set_up_logging
    from algo_service.mounted_secret import LoginChanged, SecretUnusable

    from algo_feed.errors import BadInput, FeedError, RedisFailed
    from algo_feed.process import run

    set_up_logging()
    log = get_logger("algo_feed")

    async def until_stopped() -> None:
        work = asyncio.ensure_future(run(folder, listener))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        await work

    try:
        uvloop.run(until_stopped())
    except asyncio.CancelledError:
        log.info("feed_stopped")
        return 0
    except SecretUnusable as error:
        status, message = BadInput.exit_status, str(error)
    except LoginChanged as error:
        status, message = RedisFailed.exit_status, str(error)
    except FeedError as error:
        status, message = error.exit_status, str(error)
    else:
        return 0
    log.error("feed_failed", error=message)
    return status


def _publish(arguments: list[str]) -> int:
    import uvloop
    from algo_engine.tick_file import TickFileError
    from algo_redis.errors import RedisRefused

    from algo_feed.errors import FeedError, RedisFailed
    from algo_feed.replay.publisher import Published, checked_days, publish
    from algo_feed.replay.redis_client import say, warn
    from algo_feed.replay.settings import publish_settings

    started = time.monotonic()
    published = Published()
    stopped_by: list[signal.Signals] = []

    async def run() -> None:
        publishing = asyncio.ensure_future(publish(settings, days, published))

        def stop(number: signal.Signals) -> None:
            stopped_by.append(number)
            _ = publishing.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        await publishing

    try:
        settings = publish_settings(arguments, os.environ)
        days = checked_days(settings.ticks)
        uvloop.run(run())
    except KeyboardInterrupt:
        stopped_by.append(signal.SIGINT)
    except asyncio.CancelledError:
        pass
    except FeedError as error:
        warn(str(error))
        return error.exit_status
    except TickFileError as error:
        warn(f"{error} (after {published.ticks} ticks)")
        return 2
    except RedisRefused as error:
        warn(f"Redis refused: {error} (after {published.ticks} ticks)")
        return RedisFailed.exit_status
    verb = f"stopped by {stopped_by[0].name}" if stopped_by else "done"
    say(
        f"{verb}: {published.ticks} ticks and {published.days} whole days published in "
        f"{time.monotonic() - started:.1f} s"
    )
    return 128 + stopped_by[0] if stopped_by else 0


if __name__ == "__main__":
    sys.exit(main())
