"""Rupees as people write them, to paise and back, without a float in between."""

import ast
from decimal import Decimal
from pathlib import Path

import pytest
from algo_contract.money import average_rupees, basis_points, paise, rupee_text, rupees
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        (2890.5, 289_050),
        ("2890.50", 289_050),
        (2890, 289_000),
        (0.29, 29),
        (1.15, 115),
        (4.35, 435),
        (999_999.99, 99_999_999),
        ("999999.99", 99_999_999),
        (Decimal("0.01"), 1),
        ("-1.25", -125),
        ("0", 0),
        ("95.0000", 9500),
        ("1e3", 100_000),
        ("12345678901.23", 1_234_567_890_123),
    ],
)
def test_an_amount__is_exact(written: str | float | Decimal, amount: int) -> None:
    assert paise(written) == amount


@pytest.mark.parametrize(
    "written",
    [
        "2890.505", 0.001, 1e-7, "", " ", "abc", "NaN", "sNaN", "Infinity", "-inf", float("nan"),
        float("inf"), "1,000", "₹95", "1e999999999", "1E+999999", "1e400", "95." + "0" * 20 + "1",
        "95." + "0" * 40 + "1", None, True, "0x10",
    ],
)  # fmt: skip
def test_what_is_no_amount__is_refused(written: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each kind has words of its own
        paise(written)  # type: ignore[arg-type]


@given(st.integers(-(10**11), 10**11))
def test_every_amount__there_and_back(amount: int) -> None:
    assert paise(rupees(amount)) == amount
    assert paise(f"{Decimal(amount) / 100}") == amount


@pytest.mark.parametrize(
    ("percent", "bps"), [(1.5, 150), ("0.01", 1), (99.99, 9999), (100, 10_000)]
)
def test_a_percentage__in_basis_points(percent: str | float, bps: int) -> None:
    assert basis_points(percent) == bps


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (9395, "₹93.95"),
        (-5250, "-₹52.50"),
        (0, "₹0.00"),
        (-1, "-₹0.01"),
        (123_456_789, "₹1,234,567.89"),
    ],
)
def test_an_amount_for_people(amount: int, text: str) -> None:
    assert rupee_text(amount) == text


@pytest.mark.parametrize(
    ("value", "quantity", "average"),
    [(95_000, 10, 95.0), (28_502, 3, 95.0067), (0, 0, 0.0), (1, 3, 0.0033)],
)
def test_an_average__from_sums(value: int, quantity: int, average: float) -> None:
    assert average_rupees(value, quantity) == average


def test_no_float_decides_money() -> None:
    """`float(` stands only where rupees leave for people and JSON, and nothing divides with `/`."""
    pure = [
        *(ROOT / "runner/engine/src").rglob("*.py"),
        ROOT / "runner/brokers/src/algo_brokers/paper.py",
    ]
    pure += [
        ROOT / "crds/src/algo_contract" / name for name in ("money.py", "ids.py", "trading_day.py")
    ]
    floats, divisions = [], []
    for path in pure:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "float"
            ):
                floats.append(path.name)
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                divisions.append(path.name)

    assert set(floats) == {"money.py"}
    assert len(floats) == 2
    assert set(divisions) <= {"money.py", "trading_day.py"}
