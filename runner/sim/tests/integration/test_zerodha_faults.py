"""What a caller of the simulated Kite sees of each fault, and what became of the order."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.servers.kite_client import LIMIT, MARKET, STOP, Kite
from support.servers.sim_server import Simulator


@pytest.fixture(name="kite")
async def _kite(kite: Kite) -> Kite:
    await kite.sim.advance("09:20:00")
    return kite


async def taken(kite: Kite) -> list[str]:
    return [order["status"] for order in await kite.sim.orders("zerodha")]


@pytest.mark.parametrize(
    ("fault", "status", "error_type", "statuses"),
    [
        ("server_error", 503, "NetworkException", []),
        ("server_error_after_taking", 503, "NetworkException", ["FILLED"]),
        ("refuse", 400, "OrderException", []),
        ("rate_limit", 429, "NetworkException", []),
        ("token_expired", 403, "TokenException", []),
        ("address_refused", 403, "PermissionException", []),
    ],
)
async def test_a_refusal__strikes_one_placement(
    kite: Kite, fault: str, status: int, error_type: str, statuses: list[str]
) -> None:
    await kite.sim.fault("zerodha", fault, on="place")
    assert await kite.data("GET", "/orders") == []
    refused = await kite.refused("POST", "/orders/regular", data=MARKET)
    assert refused == (status, error_type)
    assert await taken(kite) == statuses
    await kite.place(MARKET)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [("drop_connection_before_taking", []), ("drop_connection_after_taking", ["FILLED"])],
)
async def test_a_dropped_connection__leaves_the_caller_without_an_answer(
    kite: Kite, fault: str, statuses: list[str]
) -> None:
    await kite.sim.fault("zerodha", fault, on="place")
    with pytest.raises(aiohttp.ClientError):
        await kite("POST", "/orders/regular", data=MARKET)
    assert await taken(kite) == statuses


async def test_accept_and_never_answer__takes_the_order(kite: Kite) -> None:
    await kite.sim.fault("zerodha", "accept_and_never_answer", on="place")
    calling = asyncio.create_task(kite("POST", "/orders/regular", data=MARKET))
    async with asyncio.timeout(10):
        while not await taken(kite):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0)
    assert not calling.done()
    calling.cancel()


async def test_a_late_answer__comes_after_the_update(kite: Kite) -> None:
    stream = await kite.connect()
    await kite.sim.fault("zerodha", "answer_late", on="place", seconds=1)
    calling = asyncio.create_task(kite.place(MARKET))
    update = await stream.order()
    assert not calling.done()
    assert await calling == update["order_id"]


async def test_reject__takes_the_order_and_then_rejects_it(kite: Kite) -> None:
    await kite.sim.fault("zerodha", "reject")
    order = await kite.order(await kite.place(MARKET))
    assert (order["status"], order["filled_quantity"]) == ("REJECTED", 0)
    assert order["status_message"].startswith("RMS")


async def test_a_rejected_change__leaves_the_order_as_it_was(kite: Kite) -> None:
    order_id = await kite.place(STOP)
    await kite.sim.fault("zerodha", "reject_modify")
    path = f"/orders/regular/{order_id}"
    assert await kite.refused("PUT", path, data={"price": "91"}) == (400, "OrderException")
    assert (await kite.order(order_id))["price"] == 90.0
    await kite.data("PUT", path, data={"price": "91"})
    assert (await kite.order(order_id))["price"] == 91.0


async def test_an_ignored_change__is_answered_and_not_made(kite: Kite) -> None:
    order_id = await kite.place(STOP)
    await kite.sim.fault("zerodha", "ignore_modify")
    await kite.data("PUT", f"/orders/regular/{order_id}", data={"price": "91"})
    rows = await kite.data("GET", f"/orders/{order_id}")
    assert [row["status"] for row in rows][-2:] == ["NOT MODIFIED", "TRIGGER PENDING"]
    assert rows[-1]["price"] == 90.0


async def test_a_resting_stop__is_cancelled_when_the_fault_is_armed(kite: Kite) -> None:
    stream = await kite.connect()
    order_id = await kite.place(STOP)
    await kite.sim.fault("zerodha", "cancel_stop")
    update = await stream.order()
    assert (update["order_id"], update["status"]) == (order_id, "CANCELLED")


async def test_a_short_book__misses_the_newest_rows(kite: Kite) -> None:
    placed = [await kite.place({**LIMIT, "price": "90", "tag": f"t{n}"}) for n in "123"]
    for rows in (1, 9):
        await kite.sim.fault("zerodha", "short_book", rows=rows)
        for expected in (placed[:-rows], placed):
            rows_told = await kite.data("GET", "/orders")
            assert [row["order_id"] for row in rows_told] == expected


async def test_a_late_book__shows_the_order_later(kite: Kite) -> None:
    stream = await kite.connect()
    await kite.sim.fault("zerodha", "late_book", seconds=600)
    order_id = await kite.place(MARKET)
    assert (await stream.order())["order_id"] == order_id
    assert await kite.data("GET", "/orders") == []
    assert await kite.data("GET", "/trades") == []
    refused = await kite.refused("GET", f"/orders/{order_id}")
    assert refused == (400, "OrderException")
    await kite.sim.clear_faults()
    assert len(await kite.data("GET", "/orders")) == 1
    assert (await kite.order(order_id))["status"] == "COMPLETE"


async def test_a_late_status__is_that_of_an_order_just_received(kite: Kite) -> None:
    await kite.sim.fault("zerodha", "late_status", seconds=600)
    order_id = await kite.place(MARKET)
    (row,) = await kite.data("GET", "/orders")
    assert (row["order_id"], row["status"]) == (order_id, "VALIDATION PENDING")
    assert (row["filled_quantity"], row["exchange_order_id"]) == (0, None)
    assert await kite.order(order_id) == row
    assert await taken(kite) == ["FILLED"]


async def test_the_exchange_cancels_by_itself(kite: Kite) -> None:
    order_id = await kite.place(STOP)
    body = {"broker": "zerodha", "order_id": order_id}
    row = await kite.sim.admin("POST", "/admin/cancel", body)
    assert row["status"] == "CANCELLED"
    assert (await kite.order(order_id))["status"] == "CANCELLED"


async def test_a_fault_on_reads_of_the_book__leaves_other_calls_alone(kite: Kite) -> None:
    await kite.sim.fault("zerodha", "server_error", on="orders", times=2)
    await kite.data("GET", "/trades")
    for _ in range(2):
        assert (await kite.refused("GET", "/orders"))[0] == 503
    assert await kite.data("GET", "/orders") == []


async def test_a_fault_without_end__lasts_until_cleared(kite: Kite) -> None:
    await kite.sim.fault("zerodha", "server_error", times=0)
    for path in ("/orders", "/trades", "/user/profile"):
        assert (await kite.refused("GET", path))[0] == 503
    state = await kite.sim.admin("GET", "/admin/state")
    assert state["faults"] == {"zerodha": ["server_error"]}
    await kite.sim.clear_faults()
    await kite.data("GET", "/orders")


async def test_calls__are_counted_by_route(kite: Kite) -> None:
    await kite.place(MARKET)
    await kite.data("GET", "/orders")
    await kite.data("GET", "/orders")
    counts = await kite.sim.requests("zerodha")
    assert counts["POST /orders/{variety}"] == 1
    assert counts["GET /orders"] == 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/admin/faults", {"broker": "zerodha", "fault": "no_such"}),
        ("POST", "/admin/faults", {"broker": "nobody", "fault": "reject"}),
        ("POST", "/admin/faults", {"broker": "zerodha", "fault": "reject", "on": "moon"}),
        ("POST", "/admin/faults", {"broker": "zerodha", "fault": "reject", "times": -1}),
        ("POST", "/admin/faults", {"broker": "zerodha", "fault": "reject", "seconds": "x"}),
        ("POST", "/admin/faults", ["reject"]),
        ("POST", "/admin/start", {}),
        ("POST", "/admin/advance", {"to": "noon"}),
        ("POST", "/admin/advance", {"ticks": "many"}),
        ("POST", "/admin/cancel", {"broker": "zerodha", "order_id": "1"}),
        ("POST", "/admin/trade", {"broker": "zerodha", "side": "UP"}),
        ("POST", "/admin/settings", {"broker": "zerodha", "colour": "red"}),
        ("POST", "/admin/settings", {"broker": "zerodha", "fill": "never"}),
    ],
)
async def test_what_makes_no_sense__is_refused_in_words(
    sim: Simulator, method: str, path: str, body: Any
) -> None:
    url = sim.addresses["admin"] + path
    async with sim.http.request(method, url, json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]


async def test_a_scenario__strikes_at_its_time(start: Any, log_in: Any, tmp_path: Path) -> None:
    rows = [
        {"when": "start", "broker": "zerodha", "fault": "refuse", "on": "place"},
        {"at": "09:20:00", "broker": "zerodha", "fault": "cancel_stop"},
    ]
    file = tmp_path / "scenario.json"
    file.write_text(json.dumps(rows))
    sim = await start("--scenario", str(file))
    kite = await log_in(sim)
    await sim.advance("09:16:00")
    assert (await kite.refused("POST", "/orders/regular", data=STOP))[0] == 400
    order_id = await kite.place(STOP)
    await sim.advance("09:19:00")
    assert (await kite.order(order_id))["status"] == "TRIGGER PENDING"
    await sim.advance("09:20:00")
    order = await kite.order(order_id)
    assert (order["status"], order["exchange_timestamp"]) == ("CANCELLED", "2019-07-09 09:20:00")


async def test_the_forced_closing_auction__cancels_resting_stops(start: Any, log_in: Any) -> None:
    sim = await start("--closing-auction", "15:15")
    kite = await log_in(sim)
    stream = await kite.connect()
    await sim.advance("15:14:00")
    stop = await kite.place({**STOP, "trigger_price": "88", "price": "87"})
    limit = await kite.place({**LIMIT, "price": "88"})
    await sim.advance("15:15:00")
    update = await stream.order()
    assert (update["order_id"], update["status"]) == (stop, "CANCELLED")
    assert update["exchange_timestamp"] == "2019-07-09 15:15:00"
    assert (await kite.order(limit))["status"] == "OPEN"
    late = await kite.order(await kite.place({**STOP, "trigger_price": "88", "price": "87"}))
    assert late["status"] == "REJECTED"


async def test_intraday_positions__are_squared_off_by_the_broker(kite: Kite) -> None:
    await kite.place({**MARKET, "tag": "mine"})
    stop = await kite.place({**STOP, "trigger_price": "88", "price": "87"})
    delivery = await kite.place({**MARKET, "product": "CNC", "tag": "held"})
    await kite.sim.settings("zerodha", square_off="15:10:00")
    await kite.sim.advance("15:12:00")
    assert (await kite.order(stop))["status"] == "CANCELLED"
    assert (await kite.order(delivery))["status"] == "COMPLETE"
    by_broker = (await kite.data("GET", "/orders"))[-1]
    assert (by_broker["placed_by"], by_broker["transaction_type"]) == ("ADMINSQF", "SELL")
    assert by_broker["exchange_timestamp"] == "2019-07-09 15:10:00"
    positions = (await kite.data("GET", "/portfolio/positions"))["net"]
    assert {p["product"]: p["quantity"] for p in positions} == {"MIS": 0, "CNC": 10}
    late = await kite.order(await kite.place(LIMIT))
    assert late["status"] == "REJECTED"
