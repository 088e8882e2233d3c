"""What a Redis client costs a process: import time, resident and private memory.

    .venv/bin/python tests/bench/bench_redis_memory.py [python ...]

Each client connects to a real server and sends one PING in a process of its own; the medians of
nine runs, for this interpreter or those named. Prints one JSON object a client and interpreter.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.servers.redis_server import RedisProcess, running_redis

ROUNDS = 9
CLIENTS = {
    "asyncio alone": ("", "pass"),
    "algo_contract.messages.redis_server": (
        "from algo_contract.messages.redis_server import RedisServer",
        "pass",
    ),
    "algo_redis": (
        "from algo_contract.messages.redis_server import RedisServer\n"
        "from algo_redis.connection import connect",
        "connection = await connect(RedisServer(host=host, port=port, username=user, "
        "password=password), name='bench')\n"
        "    await connection.call('PING')\n"
        "    connection.close()",
    ),
    "redis-py": (
        "import redis.asyncio",
        "client = redis.asyncio.Redis(host=host, port=port, username=user, password=password)\n"
        "    await client.ping()\n"
        "    await client.aclose()",
    ),
}
PROGRAM = """
import asyncio, json, os, sys, time
host, port, user, password = json.loads(os.environ["BENCH_REDIS"])
started = time.perf_counter()
{imports}
milliseconds = (time.perf_counter() - started) * 1000
async def main():
    {body}
asyncio.run(main())
kib = dict(line.split()[:2] for line in open("/proc/self/smaps_rollup").readlines()[1:])
private = int(kib["Private_Clean:"]) + int(kib["Private_Dirty:"])
print(json.dumps([milliseconds, int(kib["Rss:"]) / 1024, private / 1024, len(sys.modules)]))
"""


def main() -> None:
    """Measures every client with every interpreter."""
    with running_redis() as redis:
        for python in sys.argv[1:] or [sys.executable]:
            for client, (imports, body) in CLIENTS.items():
                rows = [measured(redis, python, imports, body) for _ in range(ROUNDS)]
                medians = [statistics.median(column) for column in zip(*rows, strict=True)]
                names = ("import_ms", "rss_mib", "private_mib", "modules")
                results = {n: round(v, 1) for n, v in zip(names, medians, strict=True)}
                line = {"client": client, "python": python, **results}
                sys.stdout.write(json.dumps(line) + "\n")


def measured(redis: RedisProcess, python: str, imports: str, body: str) -> list[float]:
    """Import milliseconds, RSS MiB, private MiB and modules of one process."""
    address = [redis.host, redis.port, redis.username, redis.password]
    done = subprocess.run(
        [python, "-c", PROGRAM.format(imports=imports, body=body)],
        env=os.environ | {"BENCH_REDIS": json.dumps(address)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
