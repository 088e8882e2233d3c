"""A real Redis server for every test: one that is shared and flushed, or one of its own."""

from collections.abc import Iterator
import pytest
from algo_contract.assignment import RedisServer
from redis_server import RedisProcess, running_redis


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisProcess]:
    with running_redis() as redis:
        yield redis


@pytest.fixture
def redis(_shared_redis: RedisProcess) -> RedisProcess:
    """A running server, emptied; do not stop it."""
    _shared_redis.run("FLUSHALL")
    return _shared_redis


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
