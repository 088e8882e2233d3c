"""Time-based one-time passwords: RFC 6238 with SHA-1, 30 s and 6 digits, as authenticator apps."""

import base64
import hmac
from typing import Final

STEP_SECONDS: Final = 30


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
