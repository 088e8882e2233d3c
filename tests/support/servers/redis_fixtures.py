"""Real Redis servers for any test: one that is shared and flushed, or one of the test's own."""

from collections.abc import Iterator

import pytest
from algo_contract.messages.redis_server import RedisServer
from support.servers.redis_server import RedisProcess, running_redis


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisProcess]:
    """The one that is shared, as the last test has left it."""
    with running_redis(append_only=True) as redis:
        yield redis


@pytest.fixture
def redis(redis_process: RedisProcess) -> RedisProcess:
    """A running server, emptied; do not stop it."""
    redis_process.run("FLUSHALL")
    return redis_process


@pytest.fixture
def durable_redis() -> Iterator[RedisProcess]:
    """A server of the test's own with an append-only file: kill and start it at will."""
    with running_redis(append_only=True) as redis:
        yield redis


@pytest.fixture
def server(redis: RedisProcess) -> RedisServer:
    """The shared server's address and admin."""
    return RedisServer(
        host=redis.host, port=redis.port, username=redis.username, password=redis.password
    )
