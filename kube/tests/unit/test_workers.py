"""Workers over a queue: nobody twice at a time, nobody forgotten, nobody's failure another's."""

import asyncio

import pytest
from algo_kube.work_queue import Key, WorkQueue, work

ONE, TWO, THREE = (Key("Account", "a", name) for name in ("one", "two", "three"))


class Passes:
    """Notes each pass; `answer` says how it ends: None, or the seconds before the next try."""

    def __init__(self, answer=lambda _key, _count: None) -> None:
        self.seen: list[Key] = []
        self.at_once = 0
        self.most = 0
        self.answer = answer
        self.news = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, key: Key) -> float | None:
        self.seen.append(key)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.news.set()
        try:
            await self.gate.wait()
            return self.answer(key, self.seen.count(key))
        finally:
            self.at_once -= 1

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.seen) < count:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def start():
    tasks = []

    def run(passes: Passes, *, workers: int = 2) -> WorkQueue:
        queue = WorkQueue()
        tasks.extend(asyncio.create_task(work(queue, passes)) for _ in range(workers))
        return queue

    yield run
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_work__changed_while_worked_on__worked_on_again_and_never_twice_at_once(start):
    passes = Passes()
    passes.gate.clear()
    queue = start(passes)
    queue.add(ONE)
    await passes.until(1)
    for _ in range(5):
        queue.add(ONE)

    passes.gate.set()
    await passes.until(2)

    assert passes.most == 1
    assert passes.seen == [ONE, ONE]


async def test_work__two_objects__beside_one_another(start):
    passes = Passes()
    passes.gate.clear()
    queue = start(passes)
    queue.add(ONE)
    queue.add(TWO)

    await passes.until(2)

    assert passes.most == 2
    passes.gate.set()


async def test_work__asked_for_at_a_moment__comes_back(start):
    passes = Passes()
    queue = start(passes)
    queue.add(ONE)
    await passes.until(1)

    queue.add(ONE, delay=0.01)

    await passes.until(2)


async def test_work__the_earlier_of_two_moments__wins(start):
    passes = Passes()
    queue = start(passes)
    queue.add(ONE, delay=1e6)
    queue.add(ONE, delay=0.01)

    await passes.until(1)


async def test_work__failed__tried_again_soon(start):
    passes = Passes(lambda _key, count: 0.01 if count == 1 else None)
    start(passes).add(ONE)

    await passes.until(2)


async def test_work__one_fails_one_is_gone__the_others_go_on(start):
    queue: WorkQueue

    def answer(key, _count):
        if key == TWO:
            queue.forget(key)
        return 60.0 if key == ONE else None

    passes = Passes(answer)
    queue = start(passes, workers=1)
    for key in (ONE, TWO, THREE):
        queue.add(key)

    await passes.until(3)
    async with asyncio.timeout(5):
        while queue.running():  # noqa: ASYNC110 - the last pass is ending
            await asyncio.sleep(0)

    assert ONE in queue._due
    assert TWO not in queue._due


async def test_work__closed__ends_after_the_pass_under_way():
    passes = Passes()
    passes.gate.clear()
    queue = WorkQueue()
    working = [asyncio.create_task(work(queue, passes)) for _ in range(3)]
    queue.add(ONE)
    await passes.until(1)
    queue.add(TWO)
    await passes.until(2)

    queue.close()
    queue.add(THREE)
    passes.gate.set()

    await asyncio.wait_for(asyncio.gather(*working), 5)
    assert set(passes.seen) == {ONE, TWO}
