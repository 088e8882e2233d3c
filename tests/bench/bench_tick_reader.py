"""How many ticks a second a runner's reader takes: decoding alone, and with a real Redis server.

    .venv/bin/python tests/bench/bench_tick_reader.py [ticks]

Prints one JSON object: nanoseconds a tick to parse and decode, ticks a second read from a server
on this machine (the server's work included), and microseconds from XADD to the tick in hand.
"""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

import uvloop
from algo_contract.messages.redis_server import RedisServer
from algo_redis.connection import connect
from algo_redis.tick_reader import TickReader, decode
from hiredis import Reader

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.servers.redis_server import running_redis

STREAM = "ticks:{NSE:RELIANCE}"
FIELDS = ("p", 289050, "q", 10, "v", 123456789, "t", 1562643900000000, "r", 1562643900000123)
BATCH = 1000


def main() -> None:
    """Runs both measurements."""
    ticks = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    results: dict[str, float] = {"decode_ns_per_tick": decode_cost()}
    with running_redis() as redis:
        server = RedisServer(
            host=redis.host, port=redis.port, username=redis.username, password=redis.password
        )
        results |= uvloop.run(read(server, ticks)) | uvloop.run(latency(server))
    sys.stdout.write(
        json.dumps({name: round(figure, 1) for name, figure in results.items()}) + "\n"
    )


def decode_cost(rounds: int = 200) -> float:
    """Nanoseconds to parse and decode a tick out of a reply of a thousand; best of the rounds."""
    entry = b"*2\r\n$15\r\n1562643900000-0\r\n*10\r\n" + b"".join(
        b"$%d\r\n%s\r\n" % (len(str(word)), str(word).encode()) for word in FIELDS
    )
    reply = b"%%1\r\n$6\r\nstream\r\n*%d\r\n" % BATCH + entry * BATCH
    reader = Reader()
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter_ns()
        reader.feed(reply)
        decode(reader.gets()[b"stream"])
        best = min(best, (time.perf_counter_ns() - started) / BATCH)
    return best


async def read(server: RedisServer, ticks: int) -> dict[str, float]:
    """Ticks a second, catching up with a full stream."""
    connection = await connect(server, name="bench")
    for _ in range(ticks // BATCH):
        await connection.execute(*[("XADD", STREAM, "*", *FIELDS)] * BATCH)
    reader = TickReader(server, STREAM, name="bench-ticks")
    started = time.perf_counter()
    while reader.ticks < ticks // BATCH * BATCH:
        await reader.read()
    elapsed = time.perf_counter() - started
    reader.close()
    connection.close()
    return {"read_ticks_per_s": reader.ticks / elapsed}


async def latency(server: RedisServer, rounds: int = 2000) -> dict[str, float]:
    """Microseconds from sending an XADD to the tick in hand, one tick at a time."""
    connection = await connect(server, name="bench")
    await connection.call("DEL", STREAM)
    reader = TickReader(server, STREAM, name="bench-ticks")
    samples: list[float] = []
    for _ in range(rounds):
        waiting = asyncio.create_task(reader.read())
        await asyncio.sleep(0.0005)
        started = time.perf_counter_ns()
        adding = asyncio.create_task(connection.call("XADD", STREAM, "*", *FIELDS))
        await waiting
        samples.append((time.perf_counter_ns() - started) / 1000)
        await adding
    reader.close()
    connection.close()
    return {
        "latency_us_p50": statistics.median(samples),
        "latency_us_p99": statistics.quantiles(samples, n=100)[98],
    }


if __name__ == "__main__":
    main()
