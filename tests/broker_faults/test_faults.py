"""Every fault a broker or its network can have, at both brokers: what the trader sees, and that no
order is lost, none doubled. Simulator, feed, runner and Redis are real processes.
"""

from pathlib import Path
from typing import Any

import pytest
from algo_contract.brokers import LIVE_BROKERS
from support.servers.live_strategy import LiveStrategy, live_strategy
from support.servers.redis_server import RedisProcess

pytestmark = pytest.mark.parametrize("broker", LIVE_BROKERS)
ANSWER_SECONDS = 7
"""How long an order's answer is waited for."""


@pytest.fixture
def rig_at(tmp_path: Path, redis: RedisProcess, broker: str) -> Any:
    """A rig whose stop is touched at 12:22 on the recorded day, unless said otherwise."""

    def make(**options: Any) -> Any:
        return live_strategy(tmp_path, redis, broker, **({"stop_loss": 9350} | options))

    return make


async def sell_at_the_stop(rig: LiveStrategy) -> None:
    await rig.sim.advance("13:00:00")
    state = await rig.until_execution("SOLD", 60)
    assert state["reason"] == "stop_loss"
    await rig.check_truth()


# --- an entry without a clear answer --------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "fields"),
    [
        ("accept_and_never_answer", {}),
        ("answer_late", {"seconds": 2}),
        ("server_error_after_taking", {}),
        ("drop_connection_after_taking", {}),
    ],
)
async def test_an_entry_taken_without_a_clear_answer__is_found_in_the_book_and_guarded(
    rig_at: Any, fault: str, fields: dict[str, Any]
) -> None:
    async with rig_at() as rig:
        await rig.fault(fault, on="place", **fields)

        await rig.buy()

        assert len(await rig.orders()) == 2
        await sell_at_the_stop(rig)


async def test_an_entry_that_never_arrived__is_given_up_after_half_a_minute_and_not_sent_again(
    rig_at: Any,
) -> None:
    async with rig_at() as rig:
        await rig.fault("drop_connection_before_taking", on="place")
        await rig.sim.advance("09:20:05")
        await rig.until_told("OrderUnresolved")

        told = await rig.until_told("NotBought", 60)

        assert rig.state["reason"] == "unresolved"
        assert "not in" in told
        assert await rig.orders() == []


async def test_an_entry_answered_by_a_server_error__is_looked_for_while_nothing_else_is_sent(
    rig_at: Any,
) -> None:
    async with rig_at() as rig:
        await rig.fault("server_error", on="place")
        await rig.sim.advance("09:20:30")

        await rig.until_told("OrderUnresolved")

        assert rig.state["execution"] == "BUYING"
        assert await rig.orders() == []


# --- an entry that is refused ---------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["refuse", "reject", "address_refused"])
async def test_a_refused_entry__ends_the_day_with_the_broker_s_words(
    rig_at: Any, fault: str
) -> None:
    async with rig_at() as rig:
        await rig.fault(fault, on="place")
        await rig.sim.advance("09:20:05")

        told = await rig.until_told("NotBought")

        assert rig.state["reason"] == "refused"
        assert told.startswith("The order was refused.")
        assert len(told) > len("The order was refused. ")


async def test_an_entry_over_the_rate__is_made_a_moment_later(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.fault("rate_limit", on="place")

        await rig.buy()

        assert "OrderRefused" in rig.reasons()
        await sell_at_the_stop(rig)


async def test_an_entry_on_a_dead_token__is_not_made_and_says_so(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.sim.admin("POST", "/admin/token/expire", {"broker": rig.broker})
        await rig.sim.advance("09:20:05")

        await rig.until(lambda: rig.state.get("reason") == "token_dead")

        assert await rig.orders() == []


# --- in position ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "fields"),
    [
        ("accept_and_never_answer", {}),
        ("answer_late", {"seconds": 2}),
        ("server_error", {}),
        ("server_error_after_taking", {}),
        ("drop_connection_after_taking", {}),
        ("drop_connection_before_taking", {}),
        ("rate_limit", {}),
        ("reject_modify", {}),
        ("ignore_modify", {}),
    ],
)
async def test_an_exit_in_trouble__goes_on_until_all_is_sold(
    rig_at: Any, fault: str, fields: dict[str, Any]
) -> None:
    async with rig_at(sell_time=10 * 3600) as rig:
        await rig.buy()
        await rig.fault(fault, on="modify", **fields)
        await rig.sim.advance("10:00:10")

        for minute in range(1, 40):
            if rig.state.get("execution") == "SOLD":
                break
            await rig.sim.advance(f"10:{minute:02d}:00")
            await rig.pause()
        state = await rig.until_execution("SOLD", 60)

        assert state["reason"] == "sell_time"
        await rig.check_truth()


async def test_a_stop_that_the_broker_refuses__leaves_the_runner_to_guard(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.buy()
        await rig.fault("reject", on="place")
        await rig.fault("cancel_stop")
        await rig.sim.advance("09:25:00")

        await rig.until_told("OrderRefused")

        assert rig.state["protection"] == "runner"
        await sell_at_the_stop(rig)


async def test_a_stop_cancelled_by_itself__is_told_and_placed_anew(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.buy()
        await rig.fault("cancel_stop")
        await rig.sim.advance("09:25:00")

        await rig.until_told("StopLost")
        await rig.until(lambda: rig.reasons().count("StopResting") == 2)

        await sell_at_the_stop(rig)


@pytest.mark.parametrize("fault", ["duplicate_updates", "reorder_updates", "lose_updates"])
async def test_order_updates_gone_wrong__change_nothing(rig_at: Any, fault: str) -> None:
    async with rig_at() as rig:
        await rig.fault(fault, times=0)

        await rig.buy()

        await sell_at_the_stop(rig)


async def test_a_book_that_lags__sends_nothing_twice(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.fault("late_book", seconds=6)
        await rig.fault("lose_updates", times=0)

        await rig.buy()

        assert len(await rig.orders()) == 2
        await sell_at_the_stop(rig)


async def test_a_token_that_dies_in_position__is_told_and_the_stop_stays(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.buy()
        await rig.sim.admin("POST", "/admin/token/expire", {"broker": rig.broker})

        told = await rig.until_told("TokenDead", 40)
        assert "stop at the broker stays" in told

        await rig.log_in_again()
        await rig.until_told("TokenRenewed")
        await sell_at_the_stop(rig)


async def test_an_exit_wanted_on_a_dead_token__is_sent_on_the_new_one(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.buy()
        await rig.sim.admin("POST", "/admin/token/expire", {"broker": rig.broker})
        rig.exit()
        await rig.until_told("ChangeRefused")
        await rig.pause(3)
        state = rig.state
        assert (state["execution"], state["position"]) == ("SELLING", "10")
        assert [row["status"] for row in await rig.orders()] == ["FILLED", "TRIGGER_PENDING"]

        await rig.log_in_again()
        await rig.until(lambda: rig.state["position"] == "0")

        assert rig.state["reason"] == "exited"
        await rig.check_truth()


# --- the feed -------------------------------------------------------------------------------------


async def test_a_frozen_feed__is_told_and_quotes_guard_the_stop(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.buy()
        await rig.fault("reject", on="place")
        await rig.fault("cancel_stop")
        await rig.sim.advance("09:25:00")
        await rig.until(lambda: rig.state.get("protection") == "runner")
        await rig.fault("freeze_feed")

        await rig.until_told("FeedStale")
        await rig.sim.advance("13:00:00")

        state = await rig.until_execution("SOLD", 40)
        assert state["reason"] == "stop_loss"
        await rig.check_truth()


@pytest.mark.parametrize("fault", ["drop_feed", "close_order_socket"])
async def test_a_socket_that_closes__is_opened_again(rig_at: Any, fault: str) -> None:
    async with rig_at() as rig:
        await rig.buy()
        await rig.fault(fault)
        await rig.pause(3)

        await sell_at_the_stop(rig)


async def test_garbled_ticks__are_passed_over(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.buy()
        await rig.fault("garbled_ticks", times=5)
        await rig.sim.advance("10:00:00")

        await sell_at_the_stop(rig)


async def test_ticks_stamped_after_the_day__decide_nothing(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.buy()
        await rig.fault("future_stamps", times=50, seconds=12 * 3600)
        await rig.sim.advance(ticks=40)
        await rig.pause(1)
        assert rig.state["execution"] == "BOUGHT"
        await rig.sim.clear_faults()

        await sell_at_the_stop(rig)


async def test_an_exit_that_the_price_leaves_behind__is_priced_anew(rig_at: Any) -> None:
    async with rig_at() as rig:
        await rig.buy()
        await rig.sim.settings(rig.broker, fill="none")
        for minute in range(20, 60):
            await rig.sim.advance(f"12:{minute}:00")
            await rig.pause(0.2)
            sells = [row for row in await rig.orders() if row["side"] == "SELL"]
            if sells[-1]["modifications"] >= 2:
                break
        assert rig.state["execution"] == "SELLING"
        assert len(sells) == 1

        await rig.sim.settings(rig.broker, fill="whole")
        await sell_at_the_stop(rig)


# --- the exchange and other people ----------------------------------------------------------------


async def test_a_position_filled_in_parts__is_sold_as_it_was_bought(rig_at: Any) -> None:
    async with rig_at(quantity=4000) as rig:
        await rig.sim.settings(rig.broker, fill="volume")
        await rig.sim.advance("09:25:00")
        await rig.until_resting()

        await rig.sim.advance("13:30:00")
        await rig.until_execution("SOLD", 60)

        rows = await rig.orders()
        bought = sum(row["filled"] for row in rows if row["side"] == "BUY")
        await rig.check_truth(bought=bought)


async def test_a_resting_stop_cancelled_at_the_closing_auction__is_told(rig_at: Any) -> None:
    async with rig_at(stop_loss=8900, sell_time=15 * 3600 + 17 * 60) as rig:
        await rig.sim.settings(rig.broker, closing_auction="15:15")
        await rig.buy()
        await rig.sim.advance("15:15:30")

        await rig.until_told("StopLost")

        await rig.sim.advance("15:18:00")
        await rig.until_execution("SOLD", 60)
        await rig.check_truth()
