"""Random trading days for property tests: any strategy that the schema takes, any path of ticks."""

from dataclasses import dataclass
from typing import Any

from algo_contract.messages.assignment import Assignment, Strategy
from algo_engine.tick_file import FileTick
from hypothesis import strategies as st

from support.factories.days import a_day, a_strategy

OPEN, CLOSE = 9 * 3600 + 15 * 60, 15 * 3600 + 30 * 60
LAST_SELL = 15 * 3600 + 18 * 60
STEP = 5
"""Paise: the tick of every share before 10 June 2024."""


@dataclass(frozen=True)
class RandomDay:
    day: Assignment
    ticks: list[FileTick]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        return [(tick[2], tick[3]) for tick in self.ticks]


@st.composite
def a_random_strategy(draw: Any, *, least_bps: int = 20) -> Strategy:
    """Distances are at least `least_bps`, so that no stop rounds up to the price it starts from."""
    buy = draw(st.integers(OPEN, OPEN + 1800) | st.integers(OPEN, LAST_SELL - 1))
    fields: dict[str, Any] = {
        "buy_time": buy,
        "sell_time": draw(st.integers(buy + 1, min(buy + 900, LAST_SELL)) | st.just(LAST_SELL)),
        "entry_grace": draw(st.sampled_from([1, 30, 60, 3600]) | st.integers(1, 3600)),
        "quantity": draw(st.sampled_from([1, 3, 10, 999_999]) | st.integers(1, 1_000_000)),
        "trailing_bps": draw(st.none() | st.integers(least_bps, 800)),
    }
    if draw(st.booleans()):
        fields["stop_loss"] = draw(st.integers(1700, 1890)) * STEP - draw(st.sampled_from([0, 2]))
    else:
        fields["stop_loss_bps"] = draw(st.integers(least_bps, 1500))
    target = draw(st.sampled_from(["none", "price", "percent"]))
    if target == "price":
        fields["target"] = draw(st.integers(9510, 10_500))
    if target == "percent":
        fields["target_bps"] = draw(st.integers(1, 900))
    if draw(st.integers(0, 2)) == 0:
        fields |= {"order_type": "Limit", "limit_price": draw(st.integers(1891, 1902)) * STEP}
        fields["limit_price"] = max(fields["limit_price"], fields.get("stop_loss", 0) + 1)
    return a_strategy(**fields)


@st.composite
def a_random_day(draw: Any, *, least_bps: int = 20, most_ticks: int = 40) -> RandomDay:
    """A strategy and ticks around its times and prices, some of them outside the session."""
    strategy = draw(a_random_strategy(least_bps=least_bps))
    day = a_day(strategy)
    clock = draw(
        st.sampled_from([OPEN - 900, OPEN, strategy.buy_time - 2, strategy.buy_time])
        | st.integers(OPEN - 60, CLOSE)
    )
    levels = [
        level + off
        for level in (9500, strategy.stop_loss, strategy.target, strategy.limit_price)
        if level is not None
        for off in (-5, -1, 0, 1, 5)
    ]
    price = st.one_of(
        st.sampled_from(levels),
        st.integers(1850, 1950).map(lambda n: n * STEP),
        st.integers(8300, 10_600),
        st.sampled_from([0, -5, 3000]),
    )
    pause = st.sampled_from([0, 0, 0.000001, 0.3, 1, 1, 7, 20, 60]) | st.integers(0, 3600)
    time_us = day.session.midnight_us + clock * 1_000_000
    ticks: list[FileTick] = []
    for number in range(draw(st.integers(0, most_ticks))):
        ticks.append(("NSE", "YESBANK", time_us, draw(price), 1, number + 1))
        time_us += int(draw(pause) * 1_000_000)
    return RandomDay(day, ticks)
