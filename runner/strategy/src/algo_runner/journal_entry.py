"""A journal entry's snapshot: the engine's whole state as JSON, which a successor starts from.

It is on the way of every order, so it is written by msgspec without a copy. A reader passes over
what it does not know: an older release, rolled back to with a position open, must guard it.
"""

from typing import Final

from algo_contract.messages.codec import Codec
from algo_engine.state import State

_CODEC: Final = Codec(State, name="snapshot in the journal")


def snapshot(state: State) -> str:
    """Compact JSON of the whole state."""
    return _CODEC.write(state)


def read_snapshot(text: str) -> State:
    """The state back from JSON.

    Raises:
        ValueError: not a snapshot that this release can read.
    """
    return _CODEC.read(text)
