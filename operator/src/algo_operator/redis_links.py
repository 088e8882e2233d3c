"""The operator's connections to the two Redis servers, and how their errors are translated."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from algo_operator.errors import Misconfigured, RedisUnavailable
from algo_operator.settings import Settings, host_and_port, redis_password

_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class RedisLinks:
    """Both servers; in a small set-up they are the same one."""

    state: Any
    ticks: Any

    @property
    def servers(self) -> tuple[tuple[str, Any], ...]:
        """The servers with their names."""
        return (("state", self.state), ("ticks", self.ticks))

    async def close(self) -> None:
        """Close all connections."""
        for _, server in self.servers:
            await server.aclose()


def connect(settings: Settings) -> RedisLinks:
    """Links that connect when used first."""
    return RedisLinks(
        _link(settings, settings.state_redis_url), _link(settings, settings.ticks_redis_url)
    )


def _link(settings: Settings, url: str) -> Any:
    host, port = host_and_port(url)
    password = redis_password(settings)
    return Redis(
        host=host,
        port=port,
        username=settings.redis_username if password is not None else None,
        password=password,
        decode_responses=True,
        protocol=2,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
        client_name="algo-operator",
    )


@contextmanager
def redis_errors(server: str) -> Generator[None, None, None]:
    """Turn redis-py's errors into ours; no message carries an argument of a command."""
    try:
        yield
    except (AuthenticationError, NoPermissionError) as error:
        raise Misconfigured(
            f"redis-{server} does not let the operator in ({type(error).__name__})."
        ) from None
    except ResponseError as error:
        raise Misconfigured(f"redis-{server} refused a command: {str(error)[:100]}") from None
    except (RedisError, OSError, TimeoutError) as error:
        raise RedisUnavailable(
            f"redis-{server} does not answer ({type(error).__name__})."
        ) from None
