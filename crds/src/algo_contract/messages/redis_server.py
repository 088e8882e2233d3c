"""Which Redis servers a process uses, and as whom: `redis.json` in a runner's or feed's Secret."""

from dataclasses import dataclass
from typing import Final

from algo_contract.messages.codec import Codec

REDIS_FILE: Final = "redis.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """One Redis role and the user a process has there."""

    host: str
    port: int
    username: str
    password: str

    def __repr__(self) -> str:
        """Leaves the password out."""
        return f"RedisServer({self.username}@{self.host}:{self.port})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Servers:
    state: RedisServer
    ticks: RedisServer


_CODEC: Final = Codec(_Servers, name="Redis settings")


def redis_json(*, state: RedisServer, ticks: RedisServer) -> str:
    """Both Redis roles as compact JSON, for the Secret only."""
    return _CODEC.write(_Servers(state=state, ticks=ticks))


def read_redis(text: str) -> tuple[RedisServer, RedisServer]:
    """The state and the ticks server from JSON.

    Raises:
        ValueError: a part is missing. The message never holds the text: it has passwords.
    """
    servers = _CODEC.read(text)
    return servers.state, servers.ticks
