"""A real Redis server for the runner's tests, one a session, with nothing else in it."""

from collections.abc import Iterator

import pytest

from redis_server import RedisProcess, running_redis


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisProcess]:
    with running_redis(append_only=True) as redis:
        yield redis


@pytest.fixture
def redis(redis_process: RedisProcess) -> RedisProcess:
    redis_process.run("FLUSHALL")
    return redis_process
