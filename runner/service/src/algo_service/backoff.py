"""The one back-off: pauses that double up to a limit, with jitter, so that processes which lost one
server do not return all at once.
"""

import random
from collections.abc import Iterator


def jittered(seconds: float, *, spread: float = 0.25) -> float:
    """A pause near `seconds`: at most that share of it shorter or longer."""
    return seconds * random.uniform(1 - spread, 1 + spread)  # noqa: S311 - jitter, no secret


def backoff(*, first: float, longest: float) -> Iterator[float]:
    """Endless pauses in seconds, doubling up to `longest`; each is half to all of its step."""
    step = first
    while True:
        yield jittered(step * 0.75, spread=1 / 3)
        step = min(step * 2, longest)
