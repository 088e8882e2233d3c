"""`algo-runner run | replay`."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from pathlib import Path

USAGE = """usage: algo-runner run
       algo-runner replay --strategy FILE.yaml --ticks FILE [--json] [--slippage-bps N] [--charges]

run     the process in a strategy's pod: reads its Secret under /etc/algo
replay  the same engine on recorded ticks; no cluster, no Redis
"""


def main() -> int:
    """The command line; returns the exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        from algo_runner.supervisor import supervise

        return supervise(lambda: _run(arguments[1:]))
    if arguments[:1] == ["replay"]:
        from algo_runner.replay import main as replay

        return replay(arguments[1:])
    asked = arguments[:1] in (["-h"], ["--help"])
    (sys.stdout if asked else sys.stderr).write(USAGE)
    return 0 if asked else 2


def _run(arguments: list[str]) -> int:
    """The port is bound before the large imports: a probe that comes early waits for its answer
    instead of being refused and tried again a second later.
    """
    import socket
    from pathlib import Path

    from algo_contract.assignment import METRICS_PORT, SECRET_FOLDER

    settings = dict(zip(arguments[::2], arguments[1::2], strict=False))
    port = settings.get("--port", str(METRICS_PORT))
    if set(settings) - {"--secret", "--port"} or len(arguments) % 2 or not port.isdigit():
        sys.stderr.write(USAGE)
        return 2
    with socket.create_server(("", int(port))) as listener:
        return _run_on(listener, Path(settings.get("--secret", SECRET_FOLDER)))


def _run_on(listener: "socket.socket", folder: "Path") -> int:
    import uvloop
    from algo_redis.errors import RedisRefused

    from algo_runner.errors import RunnerError
    from algo_runner.log import log
    from algo_runner.run import run

    try:
        uvloop.run(run(folder, listener))
    except (RunnerError, RedisRefused) as error:
        log("runner_failed", error=str(error), kind=type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
