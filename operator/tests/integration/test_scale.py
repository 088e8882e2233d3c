"""Start-up must not grow faster than the number of strategies, and must write nothing needless."""

import asyncio
import time

import pytest
from algo_kube.resources import STRATEGIES

pytestmark = pytest.mark.api_server

N = 300
MOST = 2.5


async def make(world, namespace: str, numbers: range) -> None:
    gate = asyncio.Semaphore(24)

    async def one(number: int) -> None:
        async with gate:
            await world.strategy(namespace, f"s{number:04d}")

    await asyncio.gather(*(one(number) for number in numbers))


async def start_up(world, expected: int) -> float:
    """Processor seconds from a start to every strategy looked at once: a busy machine adds none."""
    started = time.process_time()
    operator = await world.start()
    queue = operator.context.queue
    while queue.depth() or queue.running() or len(operator.context.strategies) < expected:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    seconds = time.process_time() - started
    await world.stop()
    return seconds


async def test_twice_the_strategies_take_under_two_and_a_half_times_as_long(world, writes):
    namespace = await world.tenant()
    await make(world, namespace, range(N))
    fresh = await start_up(world, N)
    again = await start_up(world, N)
    await make(world, namespace, range(N, 2 * N))
    await start_up(world, 2 * N)
    before = writes()
    twice = await start_up(world, 2 * N)

    report = f"first pass {N}: {fresh:.2f} s; restart {N}: {again:.2f} s, {2 * N}: {twice:.2f} s"
    print(report)  # noqa: T201 - the figures are the point
    assert writes() == before, "a restart with nothing changed writes nothing"
    assert twice < MOST * again + 0.5
    done = [
        body
        async for page in world.kube.list_pages(STRATEGIES, namespace=namespace)
        for body in page["items"]
        if body.get("status", {}).get("id")
    ]
    assert len(done) == 2 * N
