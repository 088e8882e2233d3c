import base64

import pytest
from algo_sim.dhan.totp import is_good, password

SEED = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_password__vectors_of_rfc_6238__last_six_digits(at, expected):
    assert password(SEED, at=at) == expected


def test_is_good__one_step_around__taken_and_no_further():
    now = 1_800_000_015.0
    offsets = [-60, -30, 0, 30, 60]
    taken = [is_good(password(SEED, at=now + by), seed=SEED, at=now) for by in offsets]
    assert taken == [False, True, True, True, False]


def test_is_good__no_step_around__its_own_alone():
    now = 1_800_000_015.0
    offsets = [-30, -15, 0, 14, 15, 30]
    taken = [is_good(password(SEED, at=now + by), seed=SEED, at=now, steps=0) for by in offsets]
    assert taken == [False, True, True, True, False, False]


@pytest.mark.parametrize("given", ["", "1", "abcdef", "२८७०८२", "0" * 1000])
def test_is_good__no_password_at_all__refused(given):
    assert not is_good(given, seed=SEED, at=59)
