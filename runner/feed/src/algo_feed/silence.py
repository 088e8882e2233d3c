"""How long a socket may be silent. Its heartbeats prove nothing: only ticks do.

A broker sends a packet at once for what is subscribed, so each new connection hears something. A
share that nobody trades is silent for good reasons: while new connections hear that first packet
and no more, the patience doubles.
"""

from typing import Final

LONGEST_SECONDS: Final = 60.0
_FIRST_PACKETS_SECONDS: Final = 2.0


class Silence:
    """Of one socket, through all of its connections. Times in monotonic seconds."""

    def __init__(self, *, stale_seconds: float) -> None:
        """The market is closed, so to say: silence is measured from the first `tend` on."""
        self._stale: Final = stale_seconds
        self._patience = stale_seconds
        self._heard_at = self._asked_at = 0.0

    def asked(self, now: float) -> None:
        """Instruments were subscribed."""
        self._heard_at = self._asked_at = now

    def heard(self, now: float) -> None:
        """A tick came."""
        self._heard_at = now
        if now - self._asked_at > _FIRST_PACKETS_SECONDS:
            self._patience = self._stale

    def excused(self, now: float) -> None:
        """Silence is as it should be now: the market is closed, or nothing is subscribed."""
        self._heard_at = now

    def is_too_long(self, now: float) -> bool:
        """Whether to give the connection up; the next one is given twice the time."""
        if now - self._heard_at <= self._patience:
            return False
        self._patience = min(self._patience * 2, max(LONGEST_SECONDS, self._stale))
        return True
