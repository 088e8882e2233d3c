"""What a broker's instrument master says of a share: `feed:{feed}:facts`, and in an assignment."""

from dataclasses import dataclass
from typing import Final

from algo_contract.messages.codec import Codec


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentFacts:
    """What the broker's master says of the share; from the account's feed."""

    token: int
    """The broker's number for it."""

    tick_size: int
    """Paise."""

    lot_size: int = 1
    freeze_quantity: int | None = None
    """The largest quantity of one order; None where the master does not say."""


_CODEC: Final = Codec(InstrumentFacts, name="instrument facts")


def instrument_json(facts: InstrumentFacts) -> str:
    """The facts as compact JSON."""
    return _CODEC.write(facts)


def read_instrument(text: str) -> InstrumentFacts:
    """The facts from JSON.

    Raises:
        ValueError: not facts of this release.
    """
    return _CODEC.read(text)
