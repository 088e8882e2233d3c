"""`algo-runner run | replay`."""

import sys

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
    from pathlib import Path

    import uvloop
    from algo_contract.assignment import METRICS_PORT, SECRET_FOLDER
    from algo_redis.errors import RedisRefused

    from algo_runner.errors import RunnerError
    from algo_runner.log import log
    from algo_runner.run import run

    settings = dict(zip(arguments[::2], arguments[1::2], strict=False))
    if set(settings) - {"--secret", "--port"} or len(arguments) % 2:
        sys.stderr.write(USAGE)
        return 2
    folder = Path(settings.get("--secret", SECRET_FOLDER))
    try:
        uvloop.run(run(folder, port=int(settings.get("--port", METRICS_PORT))))
    except (RunnerError, RedisRefused) as error:
        log("runner_failed", error=str(error), kind=type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
