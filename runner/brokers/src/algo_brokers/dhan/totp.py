"""Time-based one-time passwords: RFC 6238 with SHA-1, 30 s and 6 digits, as authenticator apps.

A code that is late is refused, and too many refusals lock an account: it is sent only while enough
of its step is left for the way to the broker.
"""

import base64
import hmac
from typing import Final

STEP_SECONDS: Final = 30
LEAST_LEFT_SECONDS: Final = 5.0
"""Of a step, for the request to arrive in it."""

SETTLED_SECONDS: Final = 1.0
"""Waited into a new step, for a broker whose clock is a little behind."""


def seconds_to_code(at_seconds: float, *, after_step: int = -1) -> float:
    """How long to wait, from a moment (seconds since the epoch), for a code that can be sent; one
    of a later step than `after_step`.
    """
    step = int(at_seconds // STEP_SECONDS)
    left = (step + 1) * STEP_SECONDS - at_seconds
    first = step if left >= LEAST_LEFT_SECONDS else step + 1
    wanted = max(first, after_step + 1)
    return 0.0 if wanted == step else wanted * STEP_SECONDS + SETTLED_SECONDS - at_seconds


def totp(seed: str, *, at_seconds: int, digits: int = 6) -> str:
    """The code of a base32 seed at a moment (seconds since the epoch).

    Raises:
        ValueError: the seed is not base32. The message does not hold it.
    """
    text = seed.replace(" ", "").rstrip("=").upper()
    try:
        key = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError:
        raise ValueError("the TOTP seed is not base32") from None
    digest = hmac.digest(key, (at_seconds // STEP_SECONDS).to_bytes(8), "sha1")
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)
