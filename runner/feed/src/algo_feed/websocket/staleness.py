"""How long a socket may be silent. Its heartbeats prove nothing: only ticks do.

A broker sends a packet at once for what is subscribed, so each new connection hears something. A
share that is seldom traded is silent for good reasons: each silence doubles the patience, and only
a long stretch without any gap halves it again.
"""

from typing import Final

LONGEST_SECONDS: Final = 60.0
_FIRST_PACKETS_SECONDS: Final = 2.0
_STEADY: Final = 2
"""The patience is halved after a stretch of so many times its length."""


class StalenessDetector:
    """Of one socket, through all of its connections. Times in monotonic seconds."""

    def __init__(self, *, stale_seconds: float) -> None:
        """The market is closed, so to say: silence is measured from the first `tend` on.

        A gap of up to `stale_seconds` between two ticks is none.
        """
        self._stale: Final = stale_seconds
        self._patience = stale_seconds
        self._heard_at = self._asked_at = 0.0
        self._steady_since = 0.0
        """The first of the ticks that came without a gap up to now."""

    def asked(self, now: float) -> None:
        """Instruments were subscribed."""
        self._heard_at = self._asked_at = self._steady_since = now

    def heard(self, now: float) -> None:
        """A tick came."""
        is_gap = now - self._heard_at > self._stale
        self._heard_at = now
        if is_gap or now - self._asked_at <= _FIRST_PACKETS_SECONDS:
            self._steady_since = now
        elif now - self._steady_since >= _STEADY * self._patience:
            self._patience = max(self._patience / 2, self._stale)
            self._steady_since = now

    def excused(self, now: float) -> None:
        """Silence is as it should be now: the market is closed, or nothing is subscribed."""
        self._heard_at = self._steady_since = now

    def is_too_long(self, now: float) -> bool:
        """Whether to give the connection up; the next one is given twice the time."""
        if now - self._heard_at <= self._patience:
            return False
        self._patience = min(self._patience * 2, max(LONGEST_SECONDS, self._stale))
        return True
