"""Dhan's two sockets, frame by frame."""

import asyncio
import struct

import pytest
from aiohttp import WSMsgType
from algo_sim.dhan import pings
from support.servers.dhan_client import CLIENT, LIMIT, QUOTE, TICKER, YESBANK, Dhan, Stream

SHARE = ("NSE_EQ", YESBANK)
NINE = 1562643000
"""09:00 IST of the file's day."""


async def test_subscribe__before_the_first_trade__previous_close_at_the_clock(dhan: Dhan) -> None:
    feed = await dhan.feed()
    await feed.subscribe(15, SHARE)
    code, length, segment, security, close, interest = TICKER.unpack(await feed.frame())
    assert (code, length, segment, security, close, interest) == (6, 16, 1, YESBANK, 95.0, 0)
    assert TICKER.unpack(await feed.frame()) == (2, 16, 1, YESBANK, 95.0, NINE)


async def test_quote__after_trades__every_field(dhan: Dhan) -> None:
    await dhan.sim.advance("09:16:00")
    feed = await dhan.feed()
    await feed.subscribe(17, SHARE)
    assert (await feed.frame())[0] == 6
    assert struct.unpack("<BHBII", await feed.frame()) == (5, 12, 1, YESBANK, 0)
    frame = await feed.frame()
    assert len(frame) == 50
    values = QUOTE.unpack(frame)
    assert values[:4] == (4, 50, 1, YESBANK)
    assert values[4] == pytest.approx(94.65)
    assert values[5] == 65_535  # the last quantity does not fit into its two bytes
    assert values[6] == NINE + 16 * 60
    assert values[8] == 2_068_998
    assert [round(price, 2) for price in values[11:]] == [95.0, 95.0, 95.0, 93.9]


async def test_full__depth_around_the_last_price(dhan: Dhan) -> None:
    await dhan.sim.advance("09:16:00")
    feed = await dhan.feed()
    await feed.subscribe(21, SHARE)
    await feed.frame()
    frame = await feed.frame()
    levels = [struct.unpack_from("<IIHHff", frame, 62 + 20 * n) for n in range(5)]
    bids, asks = [row[4] for row in levels], [row[5] for row in levels]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < 94.65 < asks[0]
    totals = struct.unpack_from("<II", frame, 26)
    assert totals == (sum(row[1] for row in levels), sum(row[0] for row in levels))


async def test_last_trade_time__stands_while_nothing_trades(dhan: Dhan) -> None:
    await dhan.sim.advance("09:16:00")
    feed = await dhan.feed()
    await feed.subscribe(21, SHARE)
    await feed.frame()
    before = await feed.full()
    await dhan.sim.advance("09:16:07")
    assert (await feed.full())[6] == before[6] == NINE + 16 * 60


async def test_packets_at_a_change_alone__silence_while_nothing_trades(dhan: Dhan) -> None:
    await dhan.sim.settings("dhan", packets="change")
    await dhan.sim.advance("09:16:00")
    feed = await dhan.feed()
    await feed.subscribe(21, SHARE)
    await feed.frame()
    before = await feed.full()
    await dhan.sim.advance("09:16:07")
    await dhan.sim.advance(ticks=1)
    after = await feed.full()
    assert (after[6] > before[6], after[8] > before[8]) == (True, True)
    await dhan.sim.advance("15:31:00")
    while len(await feed.frame()) != 8:  # the market's status, at the close
        pass
    await dhan.sim.advance("15:32:00")
    await feed.subscribe(15, SHARE)
    late = 0
    while (await feed.frame())[0] != 6:
        late += 1
    assert late == 4  # of the file's ticks, none of the clock


async def test_last_trade_of_the_previous_day__until_the_first_trade(dhan: Dhan) -> None:
    await dhan.sim.settings("dhan", last_trade="previous_day")
    feed = await dhan.feed()
    await feed.subscribe(21, SHARE)
    await feed.frame()
    day_before = NINE - 24 * 3600 + (6 * 60 + 29) * 60 + 50
    for _ in range(2):
        fields = await feed.full()
        assert (fields[6], fields[8]) == (day_before, 0)
        await dhan.sim.advance("09:14:00")
    await dhan.sim.advance(ticks=1)
    fields = await feed.full()
    assert fields[6] >= NINE + 15 * 60
    assert fields[8] > 0


async def test_last_trade_of_the_previous_day__stands_after_the_close(dhan: Dhan) -> None:
    await dhan.sim.settings("dhan", last_trade="previous_day")
    await dhan.sim.advance("15:31:00")
    feed = await dhan.feed()
    await feed.subscribe(21, SHARE)
    await feed.frame()
    assert (await feed.full())[6] == NINE + (6 * 60 + 30) * 60 + 45


async def test_the_close__told_and_the_clock_shown(dhan: Dhan) -> None:
    await dhan.sim.advance("15:29:50")
    feed = await dhan.feed()
    await feed.subscribe(15, SHARE)
    await feed.frame()
    await feed.frame()
    await dhan.sim.advance("15:30:30")
    assert await feed.frame() == struct.pack("<BHBI", 7, 8, 1, 0)
    times = [TICKER.unpack(await feed.frame())[5] - NINE - (6 * 60 + 30) * 60 for _ in range(3)]
    assert times == [0, 15, 30]  # two late ticks of the file, then the clock


async def test_unsubscribe__silence_for_that_share_alone(dhan: Dhan) -> None:
    feed = await dhan.feed()
    await feed.subscribe(15, SHARE, ("NSE_EQ", 30_000))
    for _ in range(4):
        await feed.frame()
    await feed.subscribe(16, SHARE)
    await feed.subscribe(15, ("NSE_EQ", 30_001))
    for _ in range(2):
        await feed.frame()
    await dhan.sim.advance("09:15:40")
    shown = {TICKER.unpack(await feed.frame())[3] for _ in range(2)}
    assert shown == {30_000, 30_001}


async def test_rows_that_are_none__passed_over(dhan: Dhan) -> None:
    feed = await dhan.feed()
    await feed.socket.send_bytes(b"\x0c")
    await feed.socket.send_str("no json")
    for rows in (None, 5, [None], [{"SecurityId": "9" * 5000}], [{"ExchangeSegment": "NSE_FNO"}]):
        await feed.say({"RequestCode": 15, "InstrumentList": rows})
    await feed.subscribe(99, SHARE)
    await feed.subscribe(15, SHARE)
    assert (await feed.frame())[0] == 6


@pytest.mark.parametrize("count", [101, 5001])
async def test_too_many_shares__disconnected(dhan: Dhan, count: int) -> None:
    feed = await dhan.feed()
    await feed.subscribe(15, *([SHARE] * count))
    assert await _reason(feed) == 804


async def test_a_sixth_socket__the_first_is_disconnected(dhan: Dhan) -> None:
    feeds = [await dhan.feed() for _ in range(6)]
    assert await _reason(feeds[0]) == 805
    await feeds[5].subscribe(15, SHARE)
    assert (await feeds[5].frame())[0] == 6


async def test_bad_tokens__disconnected_with_the_reason(dhan: Dhan) -> None:
    assert await _reason(await dhan.feed("nonsense")) == 809
    await dhan.sim.admin("POST", "/admin/token/expire", {"broker": "dhan"})
    assert await _reason(await dhan.feed()) == 807


async def test_disconnect_request__ends_the_socket(dhan: Dhan) -> None:
    feed = await dhan.feed()
    await feed.say({"RequestCode": 12})
    assert await feed.frame() is None


@pytest.mark.parametrize(
    "login",
    [
        {"LoginReq": {"MsgCode": 42, "ClientId": CLIENT, "Token": "no"}},
        {"LoginReq": {"MsgCode": 41, "ClientId": CLIENT}},
        {"LoginReq": {"MsgCode": 42, "ClientId": CLIENT, "Token": "\ud800"}},
        {"LoginReq": None},
        [],
        "x",
    ],
)
async def test_order_socket__bad_log_in__ended(dhan: Dhan, login: object) -> None:
    socket = await dhan.sim.http.ws_connect(dhan.sim.feed_url("dhan") + "/order-updates")
    stream = Stream(socket)
    await stream.say(login)
    assert await stream.frame() is None
    await socket.close()


async def test_order_socket__two_clients__both_are_told(dhan: Dhan) -> None:
    streams = [await dhan.updates() for _ in range(2)]
    await dhan.place({**LIMIT, "price": 90.0})
    for stream in streams:
        assert await stream.told() == ("t1", "Transit", 0)
        assert await stream.told() == ("t1", "Pending", 0)


async def test_sockets__left_alone__pinged(dhan: Dhan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pings, "PING_SECONDS", 0.01)
    url = f"{dhan.sim.feed_url('dhan')}/?clientId={CLIENT}&token={dhan.token}"
    async with dhan.sim.http.ws_connect(url, autoping=False) as socket, asyncio.timeout(10):
        for _ in range(2):
            assert (await socket.receive()).type is WSMsgType.PING
            await socket.pong()


async def _reason(feed: Stream) -> int:
    """Of the disconnect packet, after which the socket ends."""
    code, _, _, _, reason = struct.unpack("<BHBIH", await feed.frame())
    assert code == 50
    assert await feed.frame() is None
    return reason
