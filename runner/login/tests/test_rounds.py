"""The rounds: nobody twice at a time, nobody forgotten, nobody's trouble another's."""

import asyncio

import pytest
from algo_login.errors import Conflict, Gone
from algo_login.metrics import Metrics
from algo_login.rounds import Key, Rounds, _frames

ONE, TWO = Key("a", "one"), Key("a", "two")


class Looks:
    """Notes each look; `answer` says how it ends."""

    def __init__(self, answer=lambda _key, _count: 1e9) -> None:
        self.seen: list[Key] = []
        self.at_once = 0
        self.most = 0
        self.answer = answer
        self.news = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, key: Key) -> float:
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

    def run(looks: Looks, *, workers: int = 2) -> Rounds:
        rounds = Rounds(looks, Metrics(), resync_seconds=1e6)
        tasks.extend(asyncio.create_task(rounds.work()) for _ in range(workers))
        return rounds

    yield run
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_rounds__changed_while_looked_at__looked_at_again_and_never_twice_at_once(start):
    looks = Looks()
    looks.gate.clear()
    rounds = start(looks)
    rounds.add(ONE)
    await looks.until(1)
    for _ in range(5):
        rounds.add(ONE)

    looks.gate.set()
    await looks.until(2)

    assert looks.most == 1
    assert looks.seen == [ONE, ONE]


async def test_rounds__two_accounts__beside_one_another(start):
    looks = Looks()
    looks.gate.clear()
    rounds = start(looks)
    rounds.add(ONE)
    rounds.add(TWO)

    await looks.until(2)

    assert looks.most == 2
    looks.gate.set()


async def test_rounds__plan_names_a_moment__comes_back(start):
    looks = Looks(lambda _, count: 0.01 if count == 1 else 1e9)
    start(looks).add(ONE)

    await looks.until(2)


async def test_rounds__earlier_wish__wins(start):
    looks = Looks()
    rounds = start(looks)
    rounds.add(ONE, delay=1e6)
    rounds.add(ONE, delay=0.01)

    await looks.until(1)


async def test_rounds__conflict__looked_at_again_soon(start):
    def answer(_key, count):
        if count == 1:
            raise Conflict("changed")
        return 1e9

    looks = Looks(answer)
    rounds = start(looks)
    rounds.add(ONE)

    await looks.until(2)

    assert rounds._metrics.passes_failed == 0


async def test_rounds__one_fails_one_is_gone__the_others_go_on(start):
    def answer(key, _count):
        if key == ONE:
            raise ZeroDivisionError("s3cret")
        if key == TWO:
            raise Gone("gone")
        return 1e9

    looks = Looks(answer)
    rounds = start(looks, workers=1)
    for key in (ONE, TWO, Key("b", "three")):
        rounds.add(key)

    await looks.until(3)

    assert rounds._metrics.passes_failed == 1
    assert ONE in rounds._due
    assert TWO not in rounds._due


async def test_rounds__closed__ends_after_the_pass_under_way():
    looks = Looks()
    looks.gate.clear()
    rounds = Rounds(looks, Metrics(), resync_seconds=1e6)
    working = [asyncio.create_task(rounds.work()) for _ in range(3)]
    rounds.add(ONE)
    await looks.until(1)
    rounds.add(TWO)
    await looks.until(2)

    rounds.close()
    rounds.add(Key("b", "late"))
    looks.gate.set()

    await asyncio.wait_for(asyncio.gather(*working), 5)
    assert set(looks.seen) == {ONE, TWO}


def test_frames__of_an_error__hold_places_and_not_its_words():
    try:
        raise ValueError("s3cret")
    except ValueError as error:
        frames = _frames(error)

    assert "test_rounds.py" in frames[0]
    assert "s3cret" not in "".join(frames)
