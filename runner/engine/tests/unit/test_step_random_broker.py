"""Random interleavings of a bad broker's answers, fills and rows, ticks and people's wishes: the
promises of engine.md hold after every step, and all is sold in the end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.faults.chaotic_broker import Storm
from support.factories.days import a_day, a_strategy

KINDS = {
    "market": a_day(a_strategy(), clock="Wall"),
    "percent_and_trailing": a_day(
        a_strategy(stop_loss_bps=150, trailing_bps=100, target_bps=90), clock="Wall"
    ),
    "limit": a_day(a_strategy(order_type="Limit", limit_price=9500, target=9600), clock="Wall"),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 32), gusts=st.integers(5, 150))
def test_whatever_the_broker_does__the_promises_hold(kind: str, seed: int, gusts: int) -> None:
    storm = Storm(KINDS[kind], seed)

    for _ in range(gusts):
        storm.blow()
    storm.calm_down()

    storm.check_end()
