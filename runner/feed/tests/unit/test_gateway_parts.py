"""The gateway's small pure parts."""

import asyncio
import datetime as dt
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from algo_brokers.errors import RateLimited, TokenExpired, Unresolved
from algo_brokers.instruments import Instrument
from algo_contract.messages.broker_session import BrokerSession, session_json
from algo_engine.orders import OrderReport, Terms
from algo_service.logging import JsonFormatter
from algo_feed.broker.session_file import SessionFile
from algo_feed.broker.client import BrokerClient
from algo_feed.ticks.exchange_clock import ExchangeClock
from algo_feed.market_hours import MarketHours
from algo_feed.broker.instrument_loader import InstrumentLoader, lines, load_instruments
from algo_feed.settings import Intervals
from algo_feed.orders.changes import ChangeTracker
from algo_feed.subscriptions.subscriber import assign_to_sockets
from algo_feed.websocket.staleness import StalenessDetector


def instrument(number: int, *, token: int | None = None) -> Instrument:
    return Instrument(exchange="NSE", symbol=f"S{number:03d}", token=token or number, tick_size=5)


def test_sharded__changing_wishes__within_limits_and_nothing_moves() -> None:
    dice = random.Random(5)
    shards = [frozenset()]
    for _ in range(300):
        wanted = [instrument(n) for n in dice.sample(range(40), dice.randrange(40))]
        before = {i: n for n, shard in enumerate(shards) for i in shard}
        shards, beyond = assign_to_sockets(wanted, shards, sockets=3, limit=8)
        after = [i for shard in shards for i in shard]
        assert len(shards) <= 3
        assert all(len(shard) <= 8 for shard in shards)
        assert sorted(i.symbol for i in [*after, *beyond]) == sorted(i.symbol for i in wanted)
        assert all(before.get(i, n) == n for n, shard in enumerate(shards) for i in shard)
        assert len(after) == min(24, len(wanted))


def test_sharded__new_token__subscribed_anew() -> None:
    old, new = instrument(1), instrument(1, token=900)
    shards, _ = assign_to_sockets([new], [frozenset({old})], sockets=1, limit=1)

    assert shards == [frozenset({new})]


def test_silence__ticks_or_none__patience_doubles_only_without_them() -> None:
    silence = StalenessDetector(stale_seconds=5)
    silence.asked(100)
    assert not silence.is_too_long(105)
    assert silence.is_too_long(105.1)
    silence.asked(106)
    silence.heard(106.5)
    assert not silence.is_too_long(116.4)
    assert silence.is_too_long(116.6)
    silence.asked(117)
    silence.heard(120)
    assert not silence.is_too_long(139), "one tick proves little"


def test_silence__share_traded_seldom__given_up_few_times() -> None:
    for gap in (6, 15, 20, 25, 40, 55):
        silence, ends = StalenessDetector(stale_seconds=5), 0
        silence.asked(0)
        for second in range(1, 7200):
            if second % gap == 0:
                silence.heard(second)
            if silence.is_too_long(second):
                ends += 1
                silence.asked(second)
                silence.heard(second)
        assert ends <= 4, f"a trade every {gap} s"


def test_silence__ticks_without_a_gap__patience_shrinks_slowly() -> None:
    silence = StalenessDetector(stale_seconds=5)
    silence.asked(0)
    for _ in range(10):
        silence.is_too_long(1e6)
    silence.asked(0)
    for second in range(1, 121):
        silence.heard(second)
    assert not silence.is_too_long(120 + 60), "not before twice its time"
    for second in range(181, 181 + 400):
        silence.heard(second)
    assert not silence.is_too_long(580 + 5)
    assert silence.is_too_long(580 + 5.1)


def test_silence__market_closed__excused() -> None:
    silence = StalenessDetector(stale_seconds=5)
    silence.asked(100)
    silence.excused(1000)
    assert not silence.is_too_long(1004)
    for _ in range(10):
        silence.is_too_long(1e9)
    silence.excused(2e9)
    assert silence.is_too_long(2e9 + 60.1), "never more than a minute"


def row(number: str, filled: int = 0) -> OrderReport:
    return OrderReport(
        tag="T",
        status="OPEN",
        terms=Terms(type="MARKET", quantity=10),
        filled=filled,
        broker_id=number,
    )


def test_rows_told__same_book__told_once() -> None:
    told = ChangeTracker()
    assert told.news([row("1"), row("2")], started_us=1) == [row("1"), row("2")]
    assert told.news([row("1"), row("2", 5)], started_us=2) == [row("2", 5)]
    assert told.news([row("1"), row("2", 5)], started_us=3) == []
    told.forget()
    assert told.news([row("1")], started_us=4) == [row("1")]


def test_rows_told__pushed_while_the_book_was_read__book_waits_its_turn() -> None:
    told = ChangeTracker()
    told.pushed(row("1", 10), now_us=5)
    told.pushed(row("2", 3), now_us=5)

    assert told.news([row("1", 4)], started_us=4) == []
    assert told.news([row("1", 10), row("2", 3)], started_us=6) == []


def test_rows_told__late_push__next_book_corrects_it() -> None:
    told = ChangeTracker()
    assert told.news([row("1", 10)], started_us=1) == [row("1", 10)]
    told.pushed(row("1", 4), now_us=5)

    assert told.news([row("1", 10)], started_us=6) == [row("1", 10)]


def test_lines__any_pieces__the_lines_of_the_text() -> None:
    text = "a,ä\r\nb,\n\nlast,₹"
    for size in range(1, 9):
        raw = text.encode()
        pieces = (raw[n : n + size] for n in range(0, len(raw), size))
        assert list(lines(pieces)) == ["a,ä", "b,", "", "last,₹"]


async def pieces_of(*pieces: bytes):
    for piece in pieces:
        yield piece


def parse(rows):
    for number, line in enumerate(rows, 1):
        yield Instrument(exchange="NSE", symbol=line, token=number, tick_size=5)


async def test_load_master__pieces__parsed_beside_the_loop() -> None:
    master = await load_instruments(pieces_of(b"AB", b"", b"C\nDEF\n"), parse)

    found = master.by_symbol("NSE", "ABC")
    assert found is not None
    assert found.token == 1
    assert len(master) == 2


async def test_load_master__download_fails__its_error() -> None:
    async def broken():
        yield b"AB\n"
        raise Unresolved("gone")

    with pytest.raises(Unresolved, match="gone"):
        await load_instruments(broken(), parse)


async def test_master__much_shorter_than_the_one_before__refused(
    tmp_path: Path, caplog, monkeypatch
) -> None:
    files = [["BSE:ONLY"], *([f"NSE:{n}" for n in range(size)] for size in (100, 79, 0, 80))]
    texts = iter(["\n".join(names) for names in files])
    today = dt.date(2026, 11, 23)
    monkeypatch.setattr("algo_feed.broker.instrument_loader.CHECK_SECONDS", 0.01)

    async def download(_: BrokerSession):
        text = next(texts, None)
        if text is None:
            await asyncio.Event().wait()
        yield str(text).encode()

    def shares(rows: Iterator[str]) -> Iterator[Instrument]:
        for number, row in enumerate(rows, 1):
            exchange, _, symbol = row.partition(":")
            yield Instrument(exchange=exchange, symbol=symbol, token=number, tick_size=5)

    keeper = InstrumentLoader(
        download,
        shares,
        client=client_at(tmp_path, longest_pause=0.01),
        day=lambda: today,
        retry_seconds=0.01,
    )
    keeping = asyncio.create_task(keeper.keep())
    async with asyncio.timeout(10):
        await keeper.loaded.wait()
        assert keeper.master is not None
        sizes = [len(keeper.master)]
        today = dt.date(2026, 11, 24)
        while sizes[-1] != 80:
            await asyncio.sleep(0.001)
            sizes.append(len(keeper.master))
    keeping.cancel()

    assert set(sizes) == {100, 80}
    said = "\n".join(map(JsonFormatter().format, caplog.records))
    assert said.count("no shares of NSE") == 2
    assert said.count("master_refused") == 1


def test_hours__recorded_day__by_its_clock() -> None:
    clock = ExchangeClock("Feed")
    hours = MarketHours(clock, broker="zerodha")
    assert (hours.is_open(), hours.orders_change(), hours.master_day()) == (False, True, None)

    def at(hour: int, minute: int) -> bool:
        nine = 1_562_643_000 + (hour - 9) * 3600 + minute * 60
        clock.newest_us = nine * 1_000_000
        return hours.is_open()

    assert [at(9, 14), at(9, 15), at(15, 29), at(15, 30)] == [False, True, True, False]
    assert hours.master_day() == dt.date(2019, 7, 9)


def session(token: str) -> BrokerSession:
    return BrokerSession(
        broker="zerodha",
        client_id="C",
        api_key="k",
        access_token=token,
        issued_us=0,
        expires_us=1,
    )


async def test_session_file__refused__another_or_the_same_later(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    path.write_text(session_json(session("one")))
    file = SessionFile(tmp_path, every=0.01)
    first = await file.usable(refused=None, seconds=9)
    assert first == session("one")
    assert await file.usable(refused=first, seconds=0.01) == first

    path.write_text(session_json(session("two")))
    assert file._read()
    assert await file.usable(refused=first, seconds=9) == session("two")


async def test_session_file__proof__of_this_session_until_refused(tmp_path: Path) -> None:
    file = SessionFile(tmp_path, every=9)
    assert not file.is_proven(session("one"))
    file.prove(session("one"))

    assert file.is_proven(session("one"))
    assert not file.is_proven(session("two"))
    file.disprove()
    assert not file.is_proven(session("one"))


async def test_session_file__ended__refused_twice_with_nothing_answered_between(
    tmp_path: Path, monkeypatch
) -> None:
    now = 100.0
    monkeypatch.setattr("algo_feed.broker.session_file.time.monotonic", lambda: now)
    (tmp_path / "session.json").write_text(session_json(session("one")))
    file = SessionFile(tmp_path, every=9)
    assert file.ended(after=2) is None
    file.refuse(session("one"))
    file.refuse(session("one"))
    assert file.ended(after=2) is None, "two calls of one moment are one slip"

    now += 1
    file.prove(session("one"))
    now += 1
    file.refuse(session("one"))
    assert file.ended(after=2) is None
    assert not file.is_proven(session("one"))
    now += 2
    file.refuse(session("one"))
    assert file.ended(after=2) == session("one")

    file.prove(session("older"))
    assert file.ended(after=2) == session("one")
    (tmp_path / "session.json").write_text(session_json(session("two")))
    assert file._read()
    assert file.ended(after=2) is None
    file.refuse(session("two"))
    assert file.ended(after=2) is None


@pytest.mark.parametrize("ends", [True, False])
async def test_client__refused__soon_tried_once_more_and_then_seldom(
    tmp_path: Path, monkeypatch, *, ends: bool
) -> None:
    patience: list[float] = []

    async def usable(_: SessionFile, *, refused: BrokerSession | None, seconds: float) -> Any:
        if refused is not None:
            patience.append(seconds)
        return session("one")

    async def fails(_: BrokerSession) -> None:
        raise TokenExpired("no")

    async def answers(_: BrokerSession) -> bool:
        return True

    client = client_at(tmp_path, ends_session=ends)
    monkeypatch.setattr(SessionFile, "usable", usable)
    for _ in range(4):
        assert await client.ask(fails) is None
    assert (client._sessions.ended(after=0) is not None) is ends
    assert await client.ask(answers)
    assert await client.ask(fails) is None
    assert await client.ask(answers)

    assert patience == [2, 30, 60, 60, 2]


def client_at(folder: Path, **options: Any) -> BrokerClient[BrokerSession]:
    (folder / "session.json").write_text(session_json(session("one")))
    sessions = SessionFile(folder, every=9)
    return BrokerClient("orders", lambda s: s, sessions=sessions, intervals=Intervals(), **options)


@pytest.mark.parametrize("error", [RateLimited("busy", retry_after=60), Unresolved("HTTP 503")])
async def test_client__broker_under_pressure__pauses_are_capped(
    tmp_path: Path, monkeypatch, error: Exception
) -> None:
    pauses: list[float] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)

    async def fails(_: BrokerSession) -> None:
        raise error

    client = client_at(tmp_path, longest_pause=4.0)
    monkeypatch.setattr("algo_feed.broker.client.asyncio.sleep", noted)
    for _ in range(20):
        assert await client.ask(fails) is None

    assert max(pauses) <= 4
    assert all(pause >= 2 for pause in pauses[5:])
    assert len(set(pauses)) == 20, "jittered"


@pytest.mark.parametrize("text", ["", "{}", "no JSON", json.dumps({"access_token": "secret"})])
async def test_session_file__unreadable__the_last_good_one(
    tmp_path: Path, text: str, caplog
) -> None:
    path = tmp_path / "session.json"
    path.write_text(session_json(session("one")))
    file = SessionFile(tmp_path, every=0.01)
    path.write_text(text)

    assert not file._read()
    assert not file._read()
    assert await file.usable(refused=None, seconds=9) == session("one")
    assert "secret" not in "".join(map(JsonFormatter().format, caplog.records))
