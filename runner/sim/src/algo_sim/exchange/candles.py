"""One-minute bars of what was traded so far, and longer ones made of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

_MINUTE: Final = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Paise; `start_us` in µs since the epoch."""

    start_us: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class Candles:
    """All minutes of all shares, oldest first."""

    def __init__(self) -> None:
        """Empty."""
        self._bars: Final[dict[tuple[str, str], list[Bar]]] = {}

    def add(self, key: tuple[str, str], *, price: int, quantity: int, time_us: int) -> None:
        """One trade."""
        bars = self._bars.setdefault(key, [])
        bar = Bar(
            start_us=time_us - time_us % _MINUTE,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=quantity,
        )
        if bars and bars[-1].start_us == bar.start_us:
            bars[-1] = _joined(bars[-1], bar)
        else:
            bars.append(bar)

    def bars(
        self, key: tuple[str, str], *, minutes: int, from_us: int, to_us: int, anchor_us: int
    ) -> list[Bar]:
        """Bars of `minutes` that start in from_us … to_us, counted from `anchor_us` (the open)."""
        found = [bar for bar in self._bars.get(key, ()) if from_us <= bar.start_us <= to_us]
        return longer(found, minutes=minutes, anchor_us=anchor_us)


def longer(bars: Iterable[Bar], *, minutes: int, anchor_us: int) -> list[Bar]:
    """One-minute bars joined into bars of `minutes`, counted from the anchor."""
    length = minutes * _MINUTE
    joined: list[Bar] = []
    for bar in bars:
        start = anchor_us + (bar.start_us - anchor_us) // length * length
        if joined and joined[-1].start_us == start:
            joined[-1] = _joined(joined[-1], bar)
        else:
            joined.append(replace(bar, start_us=start))
    return joined


def _joined(first: Bar, second: Bar) -> Bar:
    return replace(
        first,
        high=max(first.high, second.high),
        low=min(first.low, second.low),
        close=second.close,
        volume=first.volume + second.volume,
    )
