"""Ticks as commands: what a server reads is what was meant."""

import pytest
from algo_brokers.streaming import MarketTick
from algo_contract.messages.redis_server import RedisServer
from algo_feed.ticks.exchange_clock import ExchangeClock
from algo_feed.ticks.encoder import TickEncoder
from algo_redis.connection import connect
from algo_redis.tick_reader import TickReader
from hypothesis import given
from hypothesis import strategies as st
from hiredis import Reader

NOW = 1_790_000_000_000_000
numbers = st.integers(min_value=0, max_value=2**32 - 1)
ticks_of = st.lists(
    st.builds(
        MarketTick, st.sampled_from([7, 8, 9]), numbers, numbers, numbers, st.just(NOW) | numbers
    ),
    max_size=20,
)


def lines(follows="Wall") -> TickEncoder:
    made = TickEncoder("brk_1", ExchangeClock(follows))
    made.add(7, exchange="NSE", symbol="M&M")
    made.add(8, exchange="BSE", symbol="Ä")
    return made


def read(commands: list[str]) -> list[list[str]]:
    reader = Reader(encoding="utf-8")
    reader.feed("".join(commands).encode())
    found = []
    while (command := reader.gets()) is not False:
        found.append(command)
    return found


@given(ticks_of)
def test_render__any_numbers__the_command_that_was_meant(ticks: list[MarketTick]) -> None:
    out: list[str] = []
    lines().render(ticks, received_us=NOW, out=out)

    streams = {7: "ticks:brk_1:{NSE:M&M}", 8: "ticks:brk_1:{BSE:Ä}"}
    assert read(out) == [
        ["XADD", streams[t.key], "*"]
        + [str(word) for word in ("p", t.price, "q", t.quantity, "v", t.volume)]
        + [str(word) for word in ("t", t.time_us, "r", NOW)]
        for t in ticks
        if t.key in streams and t.price > 0 and t.time_us
    ]


@pytest.mark.parametrize("price", [0, -5])
def test_render__no_price__counted(price: int) -> None:
    made, out = lines(), []
    made.render([MarketTick(7, price, 1, 1, NOW)], received_us=NOW, out=out)

    assert (out, made.bad_prices) == ([], 1)


@pytest.mark.parametrize("follows", ["Feed", "Wall"])
def test_render__no_time__passed_over(follows: str) -> None:
    made, out = lines(follows), []
    made.render([MarketTick(7, 5, 1, 1, 0), MarketTick(7, 5, 1, 1, NOW)], received_us=NOW, out=out)

    assert len(out) == 1


def test_render__more_numbers_than_are_kept__all_the_same() -> None:
    made, out = lines(), []
    many = [MarketTick(7, n, 0, 0, NOW) for n in range(1, 30_000)]
    made.render(many, received_us=NOW, out=out)

    assert [command[4] for command in read(out)] == [str(n) for n in range(1, 30_000)]


async def test_render__sent_to_a_server__read_by_a_runner(server: RedisServer) -> None:
    made, out = lines(), []
    made.render(
        [MarketTick(7, 100 + n, n, n, NOW + n) for n in range(50)], received_us=NOW, out=out
    )
    connection = await connect(server, name="test", decode=False)
    replies = await connection.attempt_packed("".join(out).encode(), len(out))
    connection.close()

    reader = TickReader(server, "ticks:brk_1:{NSE:M&M}", name="reader")
    found = await reader.read()
    reader.close()
    assert len(replies) == 50
    assert [tick[1:] for tick in found] == [(100 + n, n, n, NOW + n, NOW) for n in range(50)]
