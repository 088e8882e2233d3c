"""Time-based one-time passwords: RFC 6238 with SHA-1, six digits, steps of 30 s."""

import base64
import hashlib
import hmac
from typing import Final

from algo_sim.dhan.tokens import same

STEP_SECONDS: Final = 30
_DIGITS: Final = 6


def password(seed: str, *, at: float) -> str:
    """The password of a base32 seed at a time (seconds since the epoch)."""
    key = base64.b32decode(seed.upper() + "=" * (-len(seed) % 8))
    digest = hmac.digest(key, int(at // STEP_SECONDS).to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


def is_good(given: str, *, seed: str, at: float, steps: int = 1) -> bool:
    """Whether it is the password of now or of so many steps around it (RFC 6238 section 5.2)."""
    around = [at + step * STEP_SECONDS for step in range(-steps, steps + 1)]
    return any(same(password(seed, at=time), given) for time in around)
