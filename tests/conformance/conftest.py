"""A short day of four shares, so that a scenario knows every price."""

from pathlib import Path

import pytest

TIMES = ("09:15", "09:20", "09:30", "10:00", "11:00", "12:00", "15:00", "15:29")
DAY = {
    ("NSE", "YESBANK"): ("95.00", "94.60", "94.00", "93.00", "92.00", "93.50", "94.00", "94.20"),
    ("NSE", "INFY"): ("720.00", "721.50", "722.00", "719.00", "718.05", "730.00", "731", "732"),
    ("NSE", "SBIN"): ("360.00", "359.10", "358.00", "357.20", "356.00", "355.00", "356", "357"),
    ("BSE", "YESBANK"): ("95.05", "94.65", "94.05", "93.05", "92.05", "93.55", "94.05", "94.25"),
}
QUANTITY = 1000


@pytest.fixture
def day_file(tmp_path: Path) -> Path:
    path = tmp_path / "day.csv"
    lines = ["time,exchange,symbol,price,quantity,volume"]
    for number, clock in enumerate(TIMES):
        for (exchange, symbol), prices in DAY.items():
            time = f"2019-07-09T{clock}:00+05:30"
            traded = f"{QUANTITY},{QUANTITY * (number + 1)}"
            lines.append(f"{time},{exchange},{symbol},{prices[number]},{traded}")
    path.write_text("\n".join(lines) + "\n")
    return path
