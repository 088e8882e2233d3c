"""Rate limits as brokers count them: calls in the running calendar second, minute, hour, day."""

from collections.abc import Mapping
from typing import Final

SECOND: Final = 1
MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400


class RateLimits:
    """Counts calls by class; a call over a limit is not counted."""

    def __init__(self, most: Mapping[str, Mapping[int, int]]) -> None:
        """`most`: class of calls → {seconds of the window: calls}."""
        self._most: Final = {name: dict(windows) for name, windows in most.items()}
        self._counts: Final[dict[tuple[str, int], tuple[int, int]]] = {}

    def allow(self, name: str, *, now: float) -> bool:
        """Whether one more call of a class is within its limits at `now` (seconds)."""
        windows = self._most.get(name, {})
        counted: dict[tuple[str, int], tuple[int, int]] = {}
        for seconds, most in windows.items():
            window = int(now // seconds)
            last, count = self._counts.get((name, seconds), (window, 0))
            count = count if last == window else 0
            if count >= most:
                return False
            counted[name, seconds] = (window, count + 1)
        self._counts.update(counted)
        return True
