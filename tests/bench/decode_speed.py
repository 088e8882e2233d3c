"""Zerodha's full-mode packets, frames to ticks: our decoder and the vendor SDK's own parser, each
in a process of its own, by turns, on the same frames.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from support.factories.kite_packets import frame, full

from tests.bench.results import Figure

ROOT = Path(__file__).resolve().parents[2]
SDK_PYTHON = ROOT / ".tools/sdk/zerodha/bin/python"
FRAMES, PACKETS = 100, 50
ROUNDS = 5
GOAL_TICKS, GOAL_RATIO = 50_000, 5

READ = """
import json, struct, sys, time
data, frames, at = open(sys.argv[1], "rb").read(), [], 0
while at < len(data):
    (size,) = struct.unpack_from(">I", data, at)
    frames.append(data[at + 4 : at + 4 + size])
    at += 4 + size
"""
OURS = """
from algo_brokers.adapters import adapter
from algo_contract.messages.broker_session import BrokerSession
session = BrokerSession(broker="zerodha", client_id="", api_key="", access_token="",
                        issued_us=0, expires_us=0)
ours = adapter("zerodha")
parse = ours.wires(ours.endpoints(None, None), session)[0].ticks
prices = [tick.price for tick in parse(frames[0])]
"""
THEIRS = """
from kiteconnect import KiteTicker
parse = KiteTicker("key", "token")._parse_binary
prices = [round(tick["last_price"] * 100) for tick in parse(frames[0])]
"""
TIME = """
begun, ticks = time.process_time(), 0
while time.process_time() - begun < 0.5:
    for frame in frames:
        ticks += len(parse(frame))
print(json.dumps([ticks / (time.process_time() - begun), prices]))
"""


def measure() -> list[Figure]:
    """The best of five turns each: ticks per second of processor time."""
    with tempfile.NamedTemporaryFile(suffix=".frames") as file:
        for number in range(FRAMES):
            data = frame(packet(number * PACKETS + n) for n in range(PACKETS))
            file.write(len(data).to_bytes(4, "big") + data)
        file.flush()
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(ROUNDS):
            speed, prices = run(sys.executable, OURS, file.name)
            sdk_speed, sdk_prices = run(str(SDK_PYTHON), THEIRS, file.name)
            assert prices == sdk_prices
            ours.append(speed)
            theirs.append(sdk_speed)
    best, sdk_best = max(ours), max(theirs)
    how = f"frames of {PACKETS} packets of 184 bytes; one core"
    return [
        Figure(
            "Zerodha packets decoded",
            f"{best:,.0f} ticks/s",
            f"{GOAL_TICKS:,} ticks/s",
            best >= GOAL_TICKS,
            how,
        ),
        Figure(
            "the same by the vendor SDK's parser",
            f"{sdk_best:,.0f} ticks/s; ours is {best / sdk_best:.0f} times as fast",
            f"{GOAL_RATIO} times",
            best >= GOAL_RATIO * sdk_best,
            "kiteconnect, which decodes depth and all other fields too; same frames, same run",
        ),
    ]


def packet(number: int) -> bytes:
    """A full-mode packet of one of 500 shares."""
    token = (1000 + number % 500) * 256 + 1
    price = 100_000 + number % 997
    return full(token, price, quantity=10, volume=1_000_000 + number, seconds=1_795_000_000)


def run(python: str, parser: str, frames: str) -> tuple[float, list[int]]:
    """Ticks a second and the prices of the first frame, from one interpreter."""
    words = [python, "-c", READ + parser + TIME, frames]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    speed, prices = json.loads(done.stdout)
    return speed, prices
