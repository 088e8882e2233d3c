"""The operator's connections to the two Redis servers, and how their errors are translated."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from algo_kube.errors import ControllerError, Misconfigured
from algo_service.logging import get_logger
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from algo_operator import metrics
from algo_operator.errors import RedisBusy, RedisUnavailable, Unreadable
from algo_operator.settings import Settings, host_and_port, redis_password

log = get_logger(__name__)

_TIMEOUT_SECONDS: Final = 3.0
_WRONG_KIND: Final = "WRONGTYPE"
_BUSY: Final = "BUSY "


@dataclass(frozen=True, slots=True)
class RedisClients:
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

    async def end_script(self, server: str) -> None:
        """End a script that holds a server for all; one that has written cannot be ended so."""
        try:
            with redis_errors(server):
                await dict(self.servers)[server].script_kill()
        except ControllerError as error:
            log.warning("redis_script_not_ended", server=server, error=str(error))
        else:
            metrics.SCRIPTS_ENDED.labels(server).inc()
            log.warning("redis_script_ended", server=server)


class _PasswordFile(CredentialProvider):
    """The log-in, read again for each connection: the password may change under way."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get_credentials(self) -> tuple[str, str]:
        return self._settings.redis_username, redis_password(self._settings) or ""


def connect(settings: Settings) -> RedisClients:
    """Links that connect when used first.

    A connection is given no name: a server that a script holds would refuse that, and with it the
    connection that is needed to end the script.
    """
    return RedisClients(
        _link(settings, settings.state_redis_url), _link(settings, settings.ticks_redis_url)
    )


def _link(settings: Settings, url: str) -> Any:
    host, port = host_and_port(url)
    return Redis(
        host=host,
        port=port,
        credential_provider=_PasswordFile(settings) if settings.redis_password_file else None,
        decode_responses=True,
        encoding_errors="replace",
        protocol=2,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
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
        if str(error).startswith(_WRONG_KIND):
            raise Unreadable(f"A key on redis-{server} holds another kind of value.") from None
        if str(error).startswith(_BUSY):
            raise RedisBusy(server) from None
        raise Misconfigured(f"redis-{server} refused a command: {str(error)[:100]}") from None
    except (RedisError, OSError, TimeoutError) as error:
        raise RedisUnavailable(
            f"redis-{server} does not answer ({type(error).__name__})."
        ) from None


async def answers(pipe: Any, server: str) -> list[Any]:
    """The answers to a pipeline's commands; a key of another kind stands as Unreadable.

    One key that is not what it should be says nothing about the others.
    """
    with redis_errors(server):
        replies: list[Any] = await pipe.execute(raise_on_error=False)
    return [_judged(reply, server) for reply in replies]


def _judged(reply: Any, server: str) -> Any:
    if not isinstance(reply, Exception):
        return reply
    try:
        with redis_errors(server):
            raise reply
    except Unreadable as error:
        return error
