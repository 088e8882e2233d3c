"""Ids are promises: yesterday's order must be found under today's code."""

import pytest
from algo_contract.ids import TAG_LENGTH, account_id, order_id, order_tag, strategy_id
from hypothesis import given
from hypothesis import strategies as st

UID = "0b54b2a8-5c1e-4d0a-9d7c-1f2e3d4c5b6a"


def test_golden_values() -> None:
    assert strategy_id(UID) == "str_ilwer24vynnnuls5"
    assert account_id(UID) == "brk_ilwer24vynnnuls5"
    assert order_tag(UID, "2019-07-09", "entry", 1) == "YPSE3IOQUDOM3E2BBSQI"
    assert order_tag(UID, "2019-07-09", "exit", 1) == "XDLBWLWACDSSTGMR3KJR"
    assert order_id("YPSE3IOQUDOM3E2BBSQI") == "ord_ypse3ioqudom3e2bbsqi"


@pytest.mark.parametrize(
    "other",
    [
        ("u", "2019-07-09", "entry", 1),
        (UID, "2019-07-10", "entry", 1),
        (UID, "2019-07-09", "exit", 1),
        (UID, "2019-07-09", "entry", 2),
    ],
)
def test_another_uid_day_leg_or_attempt__is_another_tag(other: tuple[str, str, str, int]) -> None:
    assert order_tag(*other) != order_tag(UID, "2019-07-09", "entry", 1)  # type: ignore[arg-type]


@given(st.text(max_size=60), st.dates(), st.integers(1, 99))
def test_a_tag__has_letters_and_digits_that_every_broker_takes(
    uid: str, day: object, n: int
) -> None:
    tag = order_tag(uid, str(day), "exit", n)

    assert len(tag) == TAG_LENGTH == 20
    assert tag.isascii()
    assert tag.isalnum()
    assert tag == tag.upper()


def test_ten_thousand_tags_of_a_strategy__do_not_collide() -> None:
    days = [f"2026-01-{day:02}" for day in range(1, 32)]
    tags = {order_tag(UID, day, "exit", n) for day in days for n in range(1, 323)}

    assert len(tags) == 31 * 322
