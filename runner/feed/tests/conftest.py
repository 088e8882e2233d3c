"""Settings for the shared Redis server, and small tick files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from algo_contract.messages.redis_server import RedisServer
from algo_feed.replay.settings import PublishSettings
from support.servers.redis_server import RedisProcess

MakeSettings = Callable[..., PublishSettings]


@pytest.fixture
def make_settings(redis: RedisProcess) -> MakeSettings:
    """Settings of one run at full speed on the shared server; keywords change them."""

    def make(ticks: Path, *, server: RedisProcess = redis, **changes: object) -> PublishSettings:
        address = RedisServer(
            host=server.host, port=server.port, username=server.username, password=server.password
        )
        settings: dict[str, object] = {
            "ticks": ticks,
            "speed": float("inf"),
            "account": None,
            "account_uid": None,
            "wait_ready": 0,
            "wait_timeout": 5.0,
            "redis": address,
        }
        return PublishSettings(**(settings | changes))  # pyright: ignore[reportArgumentType]

    return make


@pytest.fixture
def tick_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tick file: `(day, ticks)` pairs; a tick a second from 09:15:00, two instruments.

    Every pair of ticks of an instrument is equal but for its time, some are equal altogether.
    """

    def write(*days: tuple[str, int], name: str = "ticks.csv") -> Path:
        lines = ["time,exchange,symbol,price,quantity,volume"]
        for day, count in days:
            for n in range(count):
                symbol = "INFY" if n % 3 == 2 else "RELIANCE"
                second = n // 3
                hours, rest = divmod(9 * 3600 + 900 + second, 3600)
                clock = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}+05:30"
                lines.append(f"{day}T{clock},NSE,{symbol},{100 + n % 2}.05,10,{n // 4 * 10}")
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
