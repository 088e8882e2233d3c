from decimal import Decimal

import pytest

from algo_brokers.dhan.auth import totp
from algo_brokers.dhan.parsing import ist_us, nearest_paise, worth

RFC_SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238 appendix B: 12345678901234567890

EIGHT_DIGITS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}


@pytest.mark.parametrize(("at", "code"), EIGHT_DIGITS.items())
def test_totp__moments_of_the_rfc__give_its_codes(at, code):
    assert totp(RFC_SEED, at_seconds=at, digits=8) == code
    assert totp(RFC_SEED, at_seconds=at) == code[2:]


def test_totp__seed_typed_with_spaces_and_in_lower_case__is_the_same():
    assert totp("gezd gnbv gy3t qojq gezd gnbv gy3t qojq", at_seconds=59) == "287082"


def test_totp__seed_without_padding__is_taken():
    assert len(totp("JBSWY3DPEHPK3PXPAB", at_seconds=0)) == 6


def test_totp__no_base32__is_refused_without_showing_it():
    with pytest.raises(ValueError, match="not base32") as caught:
        totp("secret-0189", at_seconds=0)
    assert "0189" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nearest_paise__all_forms_of_a_price__are_exact():
    assert [nearest_paise(v) for v in (93, 93.05, Decimal("93.05"), "93.05", None, "", 0.0)] == [
        9300,
        9305,
        9305,
        9305,
        0,
        0,
        0,
    ]


def test_nearest_paise__not_a_number__is_refused():
    with pytest.raises((ArithmeticError, ValueError)):
        nearest_paise("NaN")
    with pytest.raises(ArithmeticError):
        nearest_paise("nonsense")


def test_worth__average_with_many_decimals__is_the_sum_to_the_nearest_paisa():
    assert worth(Decimal("94.6333333"), 3) == 28390
    assert worth(Decimal("1499.9"), 4) == 599960


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05 09:20:01",
        "05/01/2026 09:20:01",
        "2026-01-05T09:20:01",
        "2026-01-05T09:20:01.000",
        "2026-01-05T03:50:01Z",
    ],
)
def test_ist_us__every_spelling_of_a_moment__is_that_moment(text):
    assert ist_us(text) == 1_767_585_001_000_000


def test_ist_us__no_time__is_refused():
    with pytest.raises(ValueError, match="NA"):
        ist_us("NA")
