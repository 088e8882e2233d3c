"""`algo-login run`: reads the settings, works until told to stop."""

import argparse
import asyncio
import os
import signal
import sys

import uvloop
from algo_kube.config import Access, load_access
from algo_kube.errors import Misconfigured
from algo_service.logging import set_up_logging

from algo_login.settings import Settings, read_settings
from algo_login.worker import Worker


def main() -> None:
    """The command; exits with 2 when it is set up wrongly, naming everything that is wrong."""
    parser = argparse.ArgumentParser(
        prog="algo-login", description="The log-in worker.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("run", help="work until told to stop; settings come from ALGO_LOGIN_*")
    parser.parse_args()
    try:
        settings = read_settings(os.environ)
        access = load_access(os.environ.get("KUBECONFIG"))
        set_up_logging(settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, access))
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


async def _serve(settings: Settings, access: Access) -> None:
    worker = Worker(settings, access)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop.set)
    await worker.run()


if __name__ == "__main__":
    main()
