"""How many of Zerodha's full packets a feed decodes and publishes on one core.

The whole `algo-feed run` process, pinned to one core: its WebSocket gets frames of 50 packets of
500 shares from a bare socket, as fast as Redis has taken what was sent before; Redis and all else
share the other core. Besides, the decoder alone in this process.
"""

import asyncio
import base64
import hashlib
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]

from algo_brokers.adapters import adapter
from algo_contract import redis_keys
from algo_contract.messages.redis_server import RedisServer, redis_json
from algo_contract.messages.broker_session import BrokerSession, session_json
from algo_contract.messages.feed_assignment import FeedAssignment, feed_json
from local_cluster.kube import ROOT
from support.servers.redis_server import RedisProcess, free_port, running_redis
from support.servers.sim_server import Simulator, simulator

from tests.bench.results import Figure

SHARES, PACKETS, ROUNDS = 500, 50, 40
SECONDS, WARM_UP_SECONDS = 8.0, 2.0
WINDOW = 15_000
"""Ticks under way at most; the feed itself keeps 20,000 before it drops any."""

ACCOUNT = "brk_bench"
TICK = os.sysconf("SC_CLK_TCK")


def measure() -> list[Figure]:
    """One run."""
    with running_redis() as redis:
        done = asyncio.run(_measure(redis))
    how = f"{PACKETS} full packets a frame, {SHARES} shares, {done.ticks:,} ticks, real Redis"
    speed, share = done.ticks / done.cpu, done.decode_ns * done.ticks / done.cpu / 1e9
    return [
        Figure("feed, ticks per processor second", f"{speed:,.0f}", "50,000", speed >= 5e4, how),
        Figure(
            "feed, ticks/s by the clock",
            f"{done.ticks / done.wall:,.0f}",
            "50,000",
            done.ticks / done.wall >= 5e4,
            f"feed on one core, Redis and sender on the other; {done.dropped} dropped",
        ),
        Figure(
            "decoding alone, of the feed's time",
            f"{done.decode_ns:.0f} ns a tick, {share:.0%}",
            "-",
            True,
            "the rest: WebSocket, text for Redis, its answers",
        ),
        Figure("feed, working set", f"{done.memory:.0f} MiB", "45 MiB", done.memory <= 45, how),
    ]


@dataclass
class Done:
    """What was measured."""

    ticks: int
    dropped: int
    cpu: float
    wall: float
    decode_ns: float
    memory: float


async def _measure(redis: RedisProcess) -> Done:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(redis.process.pid, {cores[-1]})
    async with simulator(options=["--instruments", str(SHARES)]) as sim:
        os.sched_setaffinity(sim.process.pid, {cores[-1]})
        shares = await _shares(sim)
        sender = Sender(frames([share.token for share in shares]), redis)
        names = [f"{share.exchange}:{share.symbol}" for share in shares]
        redis.run("SADD", redis_keys.feed_instruments(ACCOUNT), *names)
        with tempfile.TemporaryDirectory() as folder:
            await _write_secret(Path(folder), redis, sim, sender.port)
            port = free_port()
            words = [str(ROOT / ".venv/bin/algo-feed"), "run", "--secret", folder]
            feed = subprocess.Popen([*words, "--port", str(port)], stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - at once
            os.sched_setaffinity(feed.pid, {cores[0]})
            os.sched_setaffinity(0, {cores[-1]})
            try:
                done = await asyncio.to_thread(_watch, feed.pid, port, sender, redis)
            finally:
                feed.terminate()
                feed.wait()
                sender.close()
                os.sched_setaffinity(0, set(cores))
    done.decode_ns = decode_ns(sender.bodies)
    return done


def _watch(pid: int, port: int, sender: "Sender", redis: RedisProcess) -> Done:
    sender.subscribed.wait(20)
    time.sleep(WARM_UP_SECONDS)
    began, cpu, ticks = time.monotonic(), _cpu_seconds(pid), published(redis)
    time.sleep(SECONDS)
    ticks, cpu = published(redis) - ticks, _cpu_seconds(pid) - cpu
    wall = time.monotonic() - began
    sender.stop()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        text = page.read().decode()
    found = re.search(r"^algo_feed_dropped_ticks_total (\d+)", text, re.MULTILINE)
    assert found is not None
    return Done(ticks, int(found[1]), cpu, wall, 0.0, _memory(pid))


class Sender:
    """The broker's end of the WebSocket, without any library: it must cost next to nothing."""

    def __init__(self, bodies: list[bytes], redis: RedisProcess) -> None:
        """Listens on a free port; starts when the feed has subscribed everything."""
        import socket

        self.bodies = bodies
        self.sent = 0
        self.subscribed = threading.Event()
        self._redis = redis
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        """Sends no more."""
        self._stopped.set()

    def close(self) -> None:
        """Stops listening."""
        self.stop()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        request = connection.recv(65536).decode()
        found = re.search(r"Sec-WebSocket-Key: (\S+)", request, re.IGNORECASE)
        assert found is not None
        digest = hashlib.sha1(f"{found[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        connection.recv(65536)
        time.sleep(1)
        self.subscribed.set()
        framed = cycle([b"\x82\x7e" + struct.pack(">H", len(body)) + body for body in self.bodies])
        while not self._stopped.is_set():
            room = WINDOW - (self.sent - published(self._redis))
            if room < WINDOW // 4:
                time.sleep(0.005)
                continue
            batch = b"".join(next(framed) for _ in range(room // PACKETS))
            self.sent += room // PACKETS * PACKETS
            connection.sendall(batch)


def frames(tokens: list[int]) -> list[bytes]:
    """Frames of full packets: every share in turn, prices that walk, volumes that grow."""
    walk, now = random.Random(4), int(time.time())
    prices = dict.fromkeys(tokens, 100_000)
    bodies: list[bytes] = []
    for turn in range(ROUNDS):
        for start in range(0, len(tokens), PACKETS):
            some = tokens[start : start + PACKETS]
            body = struct.pack(">H", len(some))
            for token in some:
                prices[token] += walk.choice((-10, -5, 0, 5, 10))
                fields = [token, prices[token], walk.randrange(1, 500), 0, 123_456 + 97 * turn]
                body += struct.pack(">H5I", 184, *fields) + bytes(40)
                body += struct.pack(">I", now) + bytes(120)
            bodies.append(body)
    return bodies


def decode_ns(bodies: list[bytes]) -> float:
    """Nanoseconds a tick to decode; the best of some rounds."""
    broker = adapter("zerodha")
    (wire, *_) = broker.streams(broker.endpoints(None, None), _session("none"))
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter_ns()
        count = sum(len(wire.ticks(body)) for body in bodies)
        best = min(best, (time.perf_counter_ns() - began) / count)
    return best


def published(redis: RedisProcess) -> int:
    """Ticks that Redis has taken."""
    found = re.search(r"cmdstat_xadd:calls=(\d+)", redis.run("INFO", "commandstats"))
    return int(found[1]) if found else 0


async def _shares(sim: Simulator) -> list[Any]:
    async with sim.http.get(sim.base_url("zerodha") + "/instruments") as response:
        text = await response.text()
    return list(adapter("zerodha").parse_instruments(iter(text.splitlines())))[:SHARES]


async def _write_secret(folder: Path, redis: RedisProcess, sim: Simulator, port: int) -> None:
    server = RedisServer(
        host=redis.host, port=redis.port, username=redis.username, password=redis.password
    )
    assignment = FeedAssignment(
        account_id=ACCOUNT,
        feed=ACCOUNT,
        broker="zerodha",
        clock="Wall",
        base_url=sim.base_url("zerodha"),
        feed_url=f"ws://127.0.0.1:{port}",
    )
    (folder / "feed.json").write_text(feed_json(assignment))
    (folder / "redis.json").write_text(redis_json(state=server, ticks=server))
    token = await sim.zerodha_access_token()
    (folder / "session.json").write_text(session_json(_session(token)))


def _session(token: str) -> BrokerSession:
    return BrokerSession(
        broker="zerodha",
        client_id="SIM001",
        api_key="simkey",
        access_token=token,
        issued_us=0,
        expires_us=2**60,
    )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _memory(pid: int) -> float:
    """The working set as the kubelet counts it, near enough: what is resident, in MiB."""
    found = re.search(r"Rss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text())
    assert found is not None
    return int(found[1]) / 1024
