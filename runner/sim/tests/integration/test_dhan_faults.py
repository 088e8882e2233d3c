"""What a caller of the simulated Dhan sees of each fault, and what became of the order."""

import asyncio
from typing import Any

import aiohttp
import pytest
from support.servers.dhan_client import LIMIT, MARKET, STOP, YESBANK, Dhan


@pytest.fixture(name="dhan")
async def _dhan(dhan: Dhan) -> Dhan:
    await dhan.sim.advance("09:20:00")
    return dhan


async def taken(dhan: Dhan) -> list[str]:
    return [order["status"] for order in await dhan.sim.orders("dhan")]


@pytest.mark.parametrize(
    ("fault", "status", "code", "statuses"),
    [
        ("server_error", 500, "DH-908", []),
        ("server_error_after_taking", 500, "DH-908", ["FILLED"]),
        ("refuse", 400, "DH-906", []),
        ("rate_limit", 429, "DH-904", []),
        ("token_expired", 401, "DH-901", []),
        ("address_refused", 403, "DH-911", []),
    ],
)
async def test_a_refusal__strikes_one_placement(
    dhan: Dhan, fault: str, status: int, code: str, statuses: list[str]
) -> None:
    await dhan.sim.fault("dhan", fault, on="place")
    assert await dhan.get("/orders") == []
    assert await dhan.refused("POST", "/orders", MARKET) == (status, code)
    assert await taken(dhan) == statuses
    await dhan.place(MARKET)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [("drop_connection_before_taking", []), ("drop_connection_after_taking", ["FILLED"])],
)
async def test_a_dropped_connection__leaves_the_caller_without_an_answer(
    dhan: Dhan, fault: str, statuses: list[str]
) -> None:
    await dhan.sim.fault("dhan", fault, on="place")
    with pytest.raises(aiohttp.ClientError):
        await dhan("POST", "/v2/orders", MARKET)
    assert await taken(dhan) == statuses


async def test_accept_and_never_answer__takes_the_order(dhan: Dhan) -> None:
    await dhan.sim.fault("dhan", "accept_and_never_answer", on="place")
    calling = asyncio.create_task(dhan("POST", "/v2/orders", MARKET))
    async with asyncio.timeout(10):
        while not await taken(dhan):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0)
    assert not calling.done()
    assert (await dhan.get("/orders/external/t1"))["orderStatus"] == "TRADED"
    calling.cancel()


async def test_a_late_answer__comes_after_the_update(dhan: Dhan) -> None:
    updates = await dhan.updates()
    await dhan.sim.fault("dhan", "answer_late", on="place", seconds=0.2)
    calling = asyncio.create_task(dhan.place(MARKET))
    assert await updates.told() == ("t1", "Transit", 0)
    assert not calling.done()
    assert await calling


async def test_reject__takes_the_order_and_then_rejects_it(dhan: Dhan) -> None:
    updates = await dhan.updates()
    await dhan.sim.fault("dhan", "reject")
    row = await dhan.order(await dhan.place(MARKET))
    assert (row["orderStatus"], row["filledQty"]) == ("REJECTED", 0)
    assert row["omsErrorDescription"].startswith("RMS")
    assert await updates.told() == ("t1", "Rejected", 0)


async def test_a_rejected_change__leaves_the_order_as_it_was(dhan: Dhan) -> None:
    order_id = await dhan.place(STOP)
    await dhan.sim.fault("dhan", "reject_modify")
    path = f"/orders/{order_id}"
    assert await dhan.refused("PUT", path, {"price": 91}) == (400, "DH-906")
    assert (await dhan.order(order_id))["price"] == 90.0


async def test_an_ignored_change__is_answered_and_not_made(dhan: Dhan) -> None:
    order_id = await dhan.place(STOP)
    await dhan.sim.fault("dhan", "ignore_modify")
    assert (await dhan("PUT", f"/v2/orders/{order_id}", {"price": 91}))[0] == 200
    assert (await dhan.order(order_id))["price"] == 90.0


async def test_a_resting_stop__cancelled_by_itself(dhan: Dhan) -> None:
    updates = await dhan.updates()
    await dhan.sim.fault("dhan", "cancel_stop")
    order_id = await dhan.place(STOP)
    told = [await updates.told() for _ in range(3)]
    assert [status for _, status, _ in told] == ["Transit", "Pending", "Cancelled"]
    row = await dhan.order(order_id)
    assert (row["orderStatus"], bool(row["omsErrorDescription"])) == ("CANCELLED", True)


async def test_a_short_book__misses_the_newest_rows_as_often_as_armed(dhan: Dhan) -> None:
    placed = [await dhan.place({**LIMIT, "price": 90.0, "correlationId": f"t{n}"}) for n in "123"]
    for rows, times in ((1, 2), (9, 1)):
        await dhan.sim.fault("dhan", "short_book", rows=rows, times=times)
        for _ in range(times):
            assert [row["orderId"] for row in await dhan.get("/orders")] == placed[:-rows]
        assert [row["orderId"] for row in await dhan.get("/orders")] == placed
    await dhan.sim.fault("dhan", "short_book")
    assert (await dhan.order(placed[-1]))["orderStatus"] == "PENDING"


async def test_a_late_book__shows_the_order_nowhere_yet(dhan: Dhan) -> None:
    updates = await dhan.updates()
    await dhan.sim.fault("dhan", "late_book", seconds=0.3)
    order_id = await dhan.place(MARKET)
    assert (await updates.told())[0] == "t1"
    assert await dhan.get("/orders") == []
    assert await dhan.get("/trades") == []
    for path in (f"/orders/{order_id}", "/orders/external/t1"):
        assert await dhan.refused("GET", path) == (404, "DH-906")
    while not await dhan.get("/orders"):  # noqa: ASYNC110 - it is asked over HTTP
        await asyncio.sleep(0.15)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("lose_updates", ["Traded"]),
        ("duplicate_updates", ["Transit", "Pending", "Transit", "Pending", "Traded"]),
        ("reorder_updates", ["Traded", "Transit", "Pending"]),
    ],
)
async def test_updates__lost_doubled_or_late(dhan: Dhan, fault: str, statuses: list[str]) -> None:
    updates = await dhan.updates()
    await dhan.sim.fault("dhan", fault)
    await dhan.place(MARKET)
    assert [(await updates.told())[1] for _ in statuses] == statuses


async def test_the_order_socket__closed_on_command(dhan: Dhan) -> None:
    updates = await dhan.updates()
    await dhan.sim.fault("dhan", "close_order_socket")
    assert await updates.frame() is None
    again = await dhan.updates()
    await dhan.place({**LIMIT, "price": 90.0})
    assert await again.told() == ("t1", "Transit", 0)


async def test_a_frozen_feed__says_nothing_and_goes_on(dhan: Dhan) -> None:
    feed = await dhan.feed()
    await feed.subscribe(21, ("NSE_EQ", YESBANK))
    await feed.frame()
    before = await feed.full()
    await dhan.sim.fault("dhan", "freeze_feed")
    await dhan.sim.advance("09:25:00")
    await dhan.sim.clear_faults()
    await dhan.sim.advance("09:26:00")
    assert (await feed.full())[6] - before[6] > 300


async def test_future_stamps__ahead_of_the_clock(dhan: Dhan) -> None:
    feed = await dhan.feed()
    await feed.subscribe(21, ("NSE_EQ", YESBANK))
    await feed.frame()
    before = await feed.full()
    await dhan.sim.fault("dhan", "future_stamps", seconds=3600)
    await dhan.sim.advance(ticks=1)
    assert (await feed.full())[6] == before[6] + 3600 + 15


async def test_a_garbled_packet__then_good_ones(dhan: Dhan) -> None:
    feed = await dhan.feed()
    await feed.subscribe(21, ("NSE_EQ", YESBANK))
    await feed.frame()
    await feed.full()
    await dhan.sim.fault("dhan", "garbled_ticks")
    await dhan.sim.advance(ticks=2)
    assert len(await feed.frame()) == 109
    await feed.full()


async def test_a_dropped_feed__cut_and_open_again(dhan: Dhan) -> None:
    feed = await dhan.feed()
    await dhan.sim.fault("dhan", "drop_feed")
    assert await feed.frame() is None
    feed = await dhan.feed()
    await feed.subscribe(15, ("NSE_EQ", YESBANK))
    assert len(await feed.frame()) == 16


async def test_the_closing_auction__cancels_resting_stops(dhan: Dhan, start: Any) -> None:
    sim = await start("--broker", "dhan", "--closing-auction", "15:15")
    dhan = Dhan(sim)
    await dhan.log_in()
    await sim.advance("15:14:00")
    stop = await dhan.place({**STOP, "triggerPrice": 88, "price": 87})
    await sim.advance("15:15:00")
    row = await dhan.order(stop)
    assert (row["orderStatus"], row["updateTime"]) == ("CANCELLED", "2019-07-09 15:15:00")
    assert await dhan.refused("POST", "/orders", STOP) == (400, "DH-906")


async def test_intraday_positions__squared_off_by_the_broker(dhan: Dhan) -> None:
    await dhan.place(MARKET)
    await dhan.sim.settings("dhan", square_off="15:10:00")
    await dhan.sim.advance("15:12:00")
    assert [p["netQty"] for p in await dhan.get("/positions")] == [0]
    assert await dhan.refused("POST", "/orders", LIMIT) == (400, "DH-906")
