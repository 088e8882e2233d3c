"""`algo-runner run | replay | broker-check`. Each loads its own modules: `run` must stay small."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from pathlib import Path

USAGE = """usage: algo-runner run [--secret FOLDER] [--port N]
       algo-runner replay --strategy FILE.yaml --ticks FILE [--json] [--slippage-bps N] [--charges]
       algo-runner broker-check --broker NAME [--symbol EXCHANGE:SYMBOL]

run           the process in a strategy's pod: reads its Secret under /etc/algo
replay        the same engine on recorded ticks; no cluster, no Redis
broker-check  logs in at a broker and reads all that trading needs; places nothing

algo-runner COMMAND --help shows a command's options.
"""


def main() -> int:
    """The command line; returns the exit status."""
    arguments = sys.argv[1:]
    match arguments[:1]:
        case ["run"]:
            return _supervised(arguments[1:])
        case ["replay"]:
            from algo_runner.cli.replay import main as replay

            return replay(arguments[1:])
        case ["broker-check"]:
            from algo_runner.cli.broker_check import main as broker_check

            return broker_check(arguments[1:])
        case _:
            asked = arguments[:1] in (["-h"], ["--help"])
            (sys.stdout if asked else sys.stderr).write(USAGE)
            return 0 if asked else 2


def _supervised(arguments: list[str]) -> int:
    """The port is bound before anything large is loaded, and stays bound while a killed runner is
    started again: a probe that comes meanwhile waits for its answer instead of being refused.
    """
    from algo_service.process import listen, run_options

    from algo_runner.supervisor import supervise

    options = run_options("algo-runner", arguments)
    with listen("algo-runner", options.port) as listener:
        return supervise(lambda: _run(listener, options.secret))


def _run(listener: "socket.socket", folder: "Path") -> int:
    import uvloop
    from algo_redis.errors import RedisRefused
    from algo_service.logging import get_logger, set_up_logging
    from algo_service.mounted_secret import LoginChanged, SecretUnusable

    from algo_runner.errors import RunnerError
    from algo_runner.process import run

    set_up_logging()
    try:
        uvloop.run(run(folder, listener))
    except (RunnerError, RedisRefused, SecretUnusable, LoginChanged) as error:
        get_logger("algo_runner").error(
            "runner_failed", error=str(error), kind=type(error).__name__
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
