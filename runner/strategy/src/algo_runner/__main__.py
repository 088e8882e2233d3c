"""`algo-runner run | replay | broker-check`."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

USAGE = """usage: algo-runner run
       algo-runner replay --strategy FILE.yaml --ticks FILE [--json] [--slippage-bps N] [--charges]
       algo-runner broker-check --broker zerodha|dhan [--symbol EXCHANGE:SYMBOL]

run           the process in a strategy's pod: reads its Secret under /etc/algo
replay        the same engine on recorded ticks; no cluster, no Redis
broker-check  logs in at a broker and reads all that trading needs; places nothing
"""


def main() -> int:
    """The command line; returns the exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        return _supervised(arguments[1:])
    if arguments[:1] == ["replay"]:
        from algo_runner.replay import main as replay

        return replay(arguments[1:])
    if arguments[:1] == ["broker-check"]:
        from algo_runner.broker_check import main as broker_check

        return broker_check(arguments[1:])
    asked = arguments[:1] in (["-h"], ["--help"])
    (sys.stdout if asked else sys.stderr).write(USAGE)
    return 0 if asked else 2


def _supervised(arguments: list[str]) -> int:
    """The port is bound before anything large is loaded, and stays bound while a killed runner is
    started again: a probe that comes meanwhile waits for its answer instead of being refused.
    """
    import socket

    from algo_contract.names import METRICS_PORT, SECRET_FOLDER

    from algo_runner.supervisor import supervise

    settings = dict(zip(arguments[::2], arguments[1::2], strict=False))
    port = settings.get("--port", str(METRICS_PORT))
    if set(settings) - {"--secret", "--port"} or len(arguments) % 2 or not port.isdigit():
        sys.stderr.write(USAGE)
        return 2
    try:
        listener = socket.create_server(("", int(port)))
    except (OSError, OverflowError) as error:
        sys.stderr.write(f"algo-runner: port {port} cannot be listened on: {error}\n")
        return 2
    with listener:
        return supervise(lambda: _run(listener, settings.get("--secret", SECRET_FOLDER)))


def _run(listener: "socket.socket", folder: str) -> int:
    from pathlib import Path

    import uvloop
    from algo_redis.errors import RedisRefused

    from algo_runner.errors import RunnerError
    from algo_runner.log import log
    from algo_runner.run import run

    try:
        uvloop.run(run(Path(folder), listener))
    except (RunnerError, RedisRefused) as error:
        log("runner_failed", error=str(error), kind=type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
