"""Kite's ticker over a WebSocket."""

import struct
from typing import Any

import aiohttp
import pytest
from support.servers.kite_client import LIMIT, MARKET, STOP, STOP_MARKET, TOKEN, Kite
from support.servers.sim_server import TICKS

from algo_engine.tick_file import read_ticks

SECOND = 1_000_000
LAST, CLOSE, TRADED, STAMP = 1, 10, 11, 15


async def test_a_bad_token__gets_403_in_place_of_the_handshake(kite: Kite) -> None:
    kite.token = "nobody"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await kite.connect()
    assert refused.value.status == 403


async def test_on_subscribing__the_previous_close_comes_stamped_with_the_clock(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.ask("subscribe", [TOKEN])
    (packet,) = await stream.packets()
    assert len(packet) == 44
    await stream.ask("mode", ["full", [TOKEN]])
    fields = await stream.full()
    assert fields[:2] == (TOKEN, 9500)
    assert fields[CLOSE] == 9500
    assert fields[TRADED] == 0
    assert fields[STAMP] == 1_562_643_000  # 09:00 IST
    await stream.ask("mode", ["ltp", [TOKEN]])
    (packet,) = await stream.packets()
    assert struct.unpack(">II", packet) == (TOKEN, 9500)


async def test_every_tick__arrives_as_it_is_in_the_file(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.advance("09:45:00")
    ticks = [tick for tick in read_ticks(TICKS) if tick[2] // SECOND <= 1_562_645_700]
    found = [await stream.full() for _ in ticks]
    assert [(f[LAST], f[2], f[4], f[STAMP]) for f in found] == [
        (price, quantity, volume, time_us // SECOND)
        for _, _, time_us, price, quantity, volume in ticks
    ]


async def test_ticks_of_one_moment__come_in_one_frame(
    start: Any, log_in: Any, tmp_path: Any
) -> None:
    rows = ["time,exchange,symbol,price,quantity,volume"]
    for second in range(3):
        for symbol, price in (("YESBANK", 95), ("INFY", 700)):
            at = f"2019-07-09T09:15:0{second}+05:30"
            rows.append(f"{at},NSE,{symbol},{price}.0{5 * (second % 2)},10,{10 * second + 10}")
    file = tmp_path / "two.csv"
    file.write_text("\n".join(rows) + "\n")
    sim = await start("--ticks", str(file))
    stream = await (await log_in(sim)).connect()
    infy = 1594 * 256 + 1
    await stream.watch("ltp", [TOKEN, infy])
    await sim.advance("09:15:02")
    for _ in range(3):
        packets = await stream.packets()
        assert [struct.unpack_from(">I", p)[0] for p in packets] == [TOKEN, infy]


async def test_time_without_a_trade__is_told_in_unchanged_prices(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.advance("09:10:00")
    fields = await stream.full()
    assert (fields[LAST], fields[TRADED], fields[STAMP]) == (9500, 0, 1_562_643_600)


async def test_packets_at_a_change_alone__heartbeats_while_nothing_trades(kite: Kite) -> None:
    await kite.sim.settings("zerodha", packets="change")
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.advance("09:10:00")
    assert (await stream.socket.receive()).data == b"\x00"
    await kite.sim.advance(ticks=1)
    fields = await stream.full()
    assert fields[TRADED] == fields[STAMP] >= 1_562_643_900


async def test_depth__is_around_the_last_price(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.advance(ticks=2)
    await stream.packets()
    (packet,) = await stream.packets()
    rows = [struct.unpack_from(">IIHxx", packet, 64 + 12 * n) for n in range(10)]
    bids, asks = [row[1] for row in rows[:5]], [row[1] for row in rows[5:]]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < 9500 < asks[0]


async def test_an_unsubscribed_share__is_not_sent(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.watch()
    await stream.ask("unsubscribe", [TOKEN])
    await stream.ask("nonsense", [])
    assert "error" in await stream.frame(str)
    await kite.sim.advance("09:16:00")
    order_id = await kite.place(MARKET)
    assert (await stream.order())["order_id"] == order_id


async def test_order_updates__come_for_all_but_plain_acceptance(kite: Kite) -> None:
    stream = await kite.connect()
    await kite.sim.advance("09:20:00")
    entry = await kite.place(MARKET)
    update = await stream.order()
    assert (update["order_id"], update["status"], update["tag"]) == (entry, "COMPLETE", "t1")
    stop = await kite.place(STOP_MARKET)
    await kite.data("PUT", f"/orders/regular/{stop}", data={"trigger_price": "92.5"})
    update = await stream.order()
    assert (update["status"], update["trigger_price"]) == ("TRIGGER PENDING", 92.5)
    await kite.sim.advance("15:00:00")
    assert (await stream.order())["status"] == "OPEN"
    assert (await stream.order())["status"] == "COMPLETE"
    rejected = await kite.place({**LIMIT, "price": "70"})
    update = await stream.order()
    assert (update["order_id"], update["status"]) == (rejected, "REJECTED")


async def test_the_heartbeat__is_one_byte(kite: Kite) -> None:
    stream = await kite.connect()
    assert (await stream.socket.receive(timeout=5)).data == b"\x00"


async def test_a_fourth_socket__is_refused(kite: Kite) -> None:
    streams = [await kite.connect() for _ in range(3)]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await kite.connect()
    assert refused.value.status == 429
    assert len(streams) == 3


async def test_more_than_3000_instruments__are_an_error(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.ask("subscribe", [256 * n + 1 for n in range(1, 3002)])
    assert "3000" in await stream.frame(str)


async def test_a_dropped_feed__can_come_back(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.fault("zerodha", "drop_feed")
    while (message := await stream.socket.receive(timeout=5)).data == b"\x00":
        pass
    assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.fault("zerodha", "close_order_socket")
    while (message := await stream.socket.receive(timeout=5)).data == b"\x00":
        pass
    assert message.type is aiohttp.WSMsgType.CLOSE


async def test_an_expired_token__does_not_cut_a_live_socket(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.admin("POST", "/admin/token/expire", {"broker": "zerodha"})
    await kite.sim.advance("09:15:00")
    assert (await stream.full())[LAST] == 9500


async def test_a_frozen_feed__sends_heartbeats_and_no_prices(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.fault("zerodha", "freeze_feed")
    await kite.sim.advance("09:20:00")
    await kite.sim.clear_faults()
    await kite.sim.advance("09:20:15")
    assert (await stream.full())[STAMP] == 1_562_644_215


async def test_stamps_from_the_future__are_ahead_of_the_clock(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.fault("zerodha", "future_stamps", seconds=3600)
    await kite.sim.advance(ticks=2)
    stamps = [(await stream.full())[STAMP] for _ in range(2)]
    assert stamps == [1_562_643_900 + 3600, 1_562_643_900 + 15]


async def test_a_garbled_frame__cannot_be_cut_into_packets(kite: Kite) -> None:
    stream = await kite.connect()
    await stream.watch()
    await kite.sim.fault("zerodha", "garbled_ticks")
    await kite.sim.advance(ticks=1)
    with pytest.raises((AssertionError, struct.error)):
        await stream.packets()
    await kite.sim.advance(ticks=1)
    assert (await stream.full())[LAST] == 9500


async def _statuses(kite: Kite, fault: str, **fields: Any) -> list[str]:
    """The updates of a day of one entry and one stop, with a fault armed before."""
    stream = await kite.connect()
    await kite.sim.advance("09:20:00")
    await kite.sim.fault("zerodha", fault, **fields)
    await kite.place(MARKET)
    await kite.place(STOP_MARKET)
    await kite.sim.advance("15:00:00")
    last = await kite.place({**LIMIT, "price": "70"})
    found = []
    while not found or found[-1][1] != last:
        update = await stream.order()
        found.append((update["status"], update["order_id"]))
    return [status for status, _ in found]


@pytest.mark.parametrize(
    ("fault", "fields", "statuses"),
    [
        ("duplicate_updates", {}, ["COMPLETE", "COMPLETE", "OPEN", "COMPLETE", "REJECTED"]),
        ("lose_updates", {}, ["OPEN", "COMPLETE", "REJECTED"]),
        ("lose_updates", {"times": 2}, ["COMPLETE", "REJECTED"]),
        ("cancel_stop", {}, ["COMPLETE", "CANCELLED", "REJECTED"]),
    ],
)
async def test_updates_with_a_fault(
    kite: Kite, fault: str, fields: dict[str, Any], statuses: list[str]
) -> None:
    assert await _statuses(kite, fault, **fields) == statuses


async def test_reordered_updates__come_behind_the_next(kite: Kite) -> None:
    stream = await kite.connect()
    await kite.sim.advance("09:20:00")
    stop = await kite.place(STOP)
    await kite.sim.fault("zerodha", "reorder_updates")
    await kite.sim.advance("15:00:00")
    found = [await stream.order(), await stream.order()]
    assert [(u["order_id"], u["status"]) for u in found] == [(stop, "COMPLETE"), (stop, "OPEN")]
