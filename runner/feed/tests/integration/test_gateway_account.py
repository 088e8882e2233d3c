"""A whole gateway against the simulated Zerodha: the account's one reader, and its session."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from algo_contract import redis_keys
from algo_contract.messages.broker_session import BrokerSession
from algo_feed.broker.session_expiry import KEPT_SECONDS
from support.servers.feed_gateway import ACCOUNT, YESBANK, Feed, feed_gateway, zerodha_session
from support.servers.redis_server import RedisProcess
from support.servers.sim_server import Simulator, simulator


TAGS = ["FIRST7K2MQ4XRWZ6ABCD", "SECOND7K2MQ4XRWZ6ABC", "THIRD7K2MQ4XRWZ6ABCD"]
TAG = TAGS[0]


async def place(sim: Simulator, token: str, tag: str, **changes: object) -> None:
    """A tagged order of 10 at the market, as a runner of the account places it."""
    order = {
        "exchange": "NSE",
        "tradingsymbol": "YESBANK",
        "transaction_type": "BUY",
        "order_type": "MARKET",
        "quantity": 10,
        "product": "MIS",
        "validity": "DAY",
        "market_protection": -1,
        "tag": tag,
    }
    headers = {"X-Kite-Version": "3", "Authorization": f"token simkey:{token}"}
    url = sim.base_url("zerodha") + "/orders/regular"
    async with sim.http.post(url, data=order | changes, headers=headers) as response:
        assert response.status == 200, await response.text()


def token_of(feed: Feed) -> str:
    return json.loads((feed.folder / "session.json").read_text())["access_token"]


def known(feed: Feed) -> dict[str, tuple[str, int]]:
    """What a reader of the stream knows: status and filled of each tag, the last row counting."""
    return {row.tag: (row.status, row.filled) for row in feed.rows()}


async def test_orders__pushed__row_then_books_with_the_tag(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await sim.advance("09:20:00")
        await feed.until(feed.books)
        assert feed.books()[0]["tags"] == "[]"

        await place(sim, token_of(feed), TAG)
        await sim.advance("09:21:00")

        await feed.until(lambda: known(feed) == {TAG: ("FILLED", 10)})
        await feed.until(lambda: feed.books()[-1]["tags"] == json.dumps([TAG]))
        book = feed.books()[-1]
        assert book["up"] == "1"
        assert int(book["t"]) <= int(book["r"])
        rows = len(feed.rows())
        books = len(feed.books())
        await feed.until(lambda: len(feed.books()) > books + 2)
        assert len(feed.rows()) == rows, "what was told is not told again"


async def test_orders__book_without_its_newest_row__no_mark(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await sim.advance("09:20:00")
        await place(sim, token_of(feed), TAG)
        await feed.until(lambda: feed.books() and feed.books()[-1]["tags"] == json.dumps([TAG]))
        marks, failures = len(feed.books()), await feed.count("book_failures_total")

        await sim.fault("zerodha", "short_book", times=3)
        await feed.until_count("book_failures_total", failures + 3)
        await feed.until(lambda: len(feed.books()) > marks + 5)
        assert {book["tags"] for book in feed.books()[marks:]} == {json.dumps([TAG])}


async def test_orders__old_entries__trimmed_by_age(tmp_path: Path, redis: RedisProcess) -> None:
    stream = f"account:{ACCOUNT}:orders"
    for n in range(300):
        redis.run("XADD", stream, f"{1 + n}-0", "kind", "book")
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.until(lambda: len(feed.orders()) < 110)


@pytest.mark.parametrize("fault", ["lose_updates", "duplicate_updates", "reorder_updates"])
async def test_orders__updates_go_wrong__the_book_mends_it(
    tmp_path: Path, redis: RedisProcess, fault: str
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await sim.advance("09:20:00")
        await feed.until(feed.books)
        await sim.fault("zerodha", fault, times=0)
        for tag in TAGS:
            await place(sim, token_of(feed), tag)
        await sim.advance("09:22:00")

        await feed.until(lambda: known(feed) == dict.fromkeys(TAGS, ("FILLED", 10)))
        books = len(feed.books())
        await feed.until(lambda: len(feed.books()) > books + 2)
        assert known(feed) == dict.fromkeys(TAGS, ("FILLED", 10))


async def test_orders__by_hand__rows_without_tag(tmp_path: Path, redis: RedisProcess) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await sim.advance("09:20:00")
        await sim.trade("zerodha", "BUY", 5)

        await feed.until(lambda: known(feed) == {"": ("FILLED", 5)})
        await feed.until(lambda: len(feed.books()) > 2)
        assert {book["tags"] for book in feed.books()} == {"[]"}


async def test_orders__socket_closed__book_says_so_and_is_read_at_once(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK)
        await sim.advance("09:20:00")
        await feed.until(feed.books)
        await sim.fault("zerodha", "drop_feed")
        await feed.until_count("reconnects_total", 1)
        await place(sim, token_of(feed), TAG)
        await sim.advance("09:21:00")

        await feed.until(lambda: known(feed) == {TAG: ("FILLED", 10)})
        await feed.until(lambda: feed.books()[-1]["up"] == "1")


async def test_quotes__wanted__written_with_bands(tmp_path: Path, redis: RedisProcess) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK)
        state = await sim.advance("09:20:00")

        await feed.until(lambda: feed.quotes().get(YESBANK, {}).get("volume", 0) > 0)
        quote = feed.quotes()[YESBANK]
        assert quote["t"] == state["clock_us"] // 1_000_000 * 1_000_000
        assert quote["price"] == feed.trades()[-1][1]
        assert quote["lower_band"] < quote["price"] < quote["upper_band"]

        feed.ask("SREM", f"feed:{ACCOUNT}:instruments", YESBANK)
        await feed.want("NSE:FILLER00000")
        await feed.until(lambda: set(feed.quotes()) == {"NSE:FILLER00000"})


async def test_session__expired__waits_for_another_without_hammering(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await feed.want(YESBANK)
        await sim.advance("09:20:00")
        await feed.until(feed.books)

        await sim.admin("POST", "/admin/token/expire", {"broker": "zerodha"})
        await sim.fault("zerodha", "drop_feed")
        await feed.until_count("book_failures_total", 1)
        await feed.until_count("reconnects_total", 2)
        asked = sum((await sim.requests("zerodha")).values())
        beat = feed.heartbeat_us()
        await feed.until_count("book_failures_total", 1)
        assert sum((await sim.requests("zerodha")).values()) <= asked + 2, (
            "a socket may try once more"
        )
        assert feed.heartbeat_us() == beat, "no ticks may flow"

        feed.write_session(await zerodha_session(sim))
        await place(sim, token_of(feed), TAG)
        await sim.advance("09:30:00")

        await feed.until(lambda: known(feed) == {TAG: ("FILLED", 10)})
        await feed.until(lambda: feed.heartbeat_us() > beat)
        await feed.until(lambda: feed.ticks()[-1]["t"] == feed.clock_us())


def ended(feed: Feed) -> int:
    """The session that it says the broker has ended, by its issue; 0 for none."""
    return int(feed.ask("GET", redis_keys.feed_ended(feed.name)) or 0)


async def issued(sim: Simulator, issued_us: int) -> BrokerSession:
    return replace(await zerodha_session(sim), issued_us=issued_us)


async def test_session__ended_by_the_broker__said_until_there_is_another(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with (
        simulator() as sim,
        feed_gateway(tmp_path, sim, redis, session=lambda sim: issued(sim, 7001)) as feed,
    ):
        await sim.advance("09:20:00")
        await feed.until(feed.books)
        assert ended(feed) == 0

        await sim.admin("POST", "/admin/token/expire", {"broker": "zerodha"})
        await feed.until(lambda: ended(feed) == 7001)
        feed.ask("DEL", redis_keys.feed_ended(feed.name))
        await feed.until(lambda: ended(feed) == 7001, what="said again: Redis may lose it")
        assert 0 < feed.ask("TTL", redis_keys.feed_ended(feed.name)) <= KEPT_SECONDS

        books = len(feed.books())
        feed.write_session(await issued(sim, 7002))
        await feed.until(lambda: len(feed.books()) > books)
        feed.ask("DEL", redis_keys.feed_ended(feed.name))
        await feed.until(lambda: len(feed.books()) > books + 3)
        assert ended(feed) == 0


async def test_session__one_refusal_among_answers__is_not_its_end(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with (
        simulator() as sim,
        feed_gateway(tmp_path, sim, redis, session=lambda sim: issued(sim, 7001)) as feed,
    ):
        await sim.advance("09:20:00")
        await feed.until(feed.books)

        await sim.fault("zerodha", "token_expired", on="orders")
        await feed.until_count("book_failures_total", 1)
        books = len(feed.books())
        await feed.until(lambda: len(feed.books()) > books + 3)

        assert ended(feed) == 0


async def test_session__dead_from_the_start__not_ready_until_a_good_one(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async def dead(sim: Simulator) -> BrokerSession:
        return replace(await zerodha_session(sim), access_token="dead")

    async with simulator() as sim, feed_gateway(tmp_path, sim, redis, session=dead) as feed:
        await feed.until_count("reconnects_total", 1)
        await feed.until_count("book_failures_total", 1)
        asked = sum((await sim.requests("zerodha")).values())
        assert (await feed.page("/readyz"))[0] == 503
        assert feed.heartbeat_us() == 0

        feed.write_session(await zerodha_session(sim))
        await feed.want(YESBANK)
        await feed.until(feed.books)
        await feed.until_ready()
    assert asked <= 5, "one attempt of each kind: socket, book, master; two steps of our log-ins"


async def test_pages__before_and_after_the_session(tmp_path: Path, redis: RedisProcess) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        session = (feed.folder / "session.json").read_text()
        assert (await feed.page("/healthz")) == (200, "ok\n")
        await feed.until(feed.books)
        await feed.until_count("book_reads_total", 1)

        await feed.until_ready()
        assert (await feed.page("/nowhere"))[0] == 404
        status, body = await feed.page("/metrics")
        assert status == 200
        assert "# TYPE algo_feed_publish_lag_seconds histogram" in body
        assert json.loads(session)["access_token"] not in body


async def test_reads__refused_by_the_broker__prices_come_all_the_same(
    tmp_path: Path, redis: RedisProcess
) -> None:
    async with simulator() as sim, feed_gateway(tmp_path, sim, redis) as feed:
        await sim.fault("zerodha", "rate_limit", times=0, on="orders")
        await feed.want(YESBANK)
        await sim.advance("09:20:00")

        await feed.until(lambda: len(feed.trades()) > 10)
        await feed.until_count("book_failures_total", 1)
        await sim.clear_faults()
        await feed.until(feed.books)
