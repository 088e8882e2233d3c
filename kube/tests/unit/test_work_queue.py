import asyncio
import itertools

import pytest
from algo_kube.work_queue import Key, Priority, WorkQueue


def key(name: str) -> Key:
    return Key("TradingStrategy", "a", name)


async def take(queue: WorkQueue) -> str:
    return (await asyncio.wait_for(queue.take(), 1)).name


async def test_the_urgent_go_first():
    queue = WorkQueue()
    queue.add(key("resync"), priority=Priority.BACKGROUND)
    queue.add(key("create"))
    queue.add(key("stop"), priority=Priority.URGENT)

    assert [await take(queue) for _ in range(3)] == ["stop", "create", "resync"]


async def test_a_key_that_waits_can_be_raised():
    queue = WorkQueue()
    queue.add(key("a"))
    queue.add(key("b"))
    queue.add(key("b"), priority=Priority.URGENT)

    assert [await take(queue) for _ in range(2)] == ["b", "a"]
    assert queue.depth() == 0


async def test_a_key_is_worked_on_once_at_a_time():
    queue = WorkQueue()
    queue.add(key("a"))
    assert await take(queue) == "a"
    queue.add(key("a"))
    queue.add(key("a"), priority=Priority.URGENT)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.05)
    queue.done(key("a"))

    assert await take(queue) == "a"
    queue.done(key("a"))
    assert queue.depth() == 0


async def test_a_delay_is_kept_and_an_earlier_one_wins():
    queue = WorkQueue()
    queue.add(key("a"), delay=5)
    queue.add(key("a"), delay=0.05)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.02)
    assert await take(queue) == "a"


async def test_after_an_error_events_do_not_cut_the_wait_short_but_urgency_does():
    queue = WorkQueue()
    queue.add(key("a"))
    await take(queue)
    queue.done(key("a"), retry_delay=5)
    queue.add(key("a"), priority=Priority.STATE)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.05)

    queue.add(key("a"), priority=Priority.URGENT)

    assert await take(queue) == "a"


async def test_waits_double():
    queue, waits = WorkQueue(), []
    for _ in range(4):
        queue.add(key("a"), priority=Priority.URGENT)
        await take(queue)
        queue.done(key("a"), retry_delay=1)
        waits.append(queue._later[0][0] - asyncio.get_running_loop().time())
        queue._later.clear()
        queue._due.clear()

    assert all(later > earlier * 1.1 for earlier, later in itertools.pairwise(waits))


async def test_all_workers_get_work():
    queue, names = WorkQueue(), set()

    async def worker() -> None:
        taken = await queue.take()
        names.add(taken.name)

    workers = [asyncio.create_task(worker()) for _ in range(4)]
    await asyncio.sleep(0)
    for name in "abcd":
        queue.add(key(name))
    await asyncio.wait_for(asyncio.gather(*workers), 1)

    assert names == set("abcd")


async def test_closing_ends_the_workers():
    queue = WorkQueue()
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)

    queue.close()

    with pytest.raises(asyncio.QueueEmpty):
        await asyncio.wait_for(waiting, 1)
