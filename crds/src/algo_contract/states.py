"""Execution states, phases, reasons and the one sentence each reason has for people."""

from typing import Final, Literal, get_args

Execution = Literal["WAITING", "BUYING", "BOUGHT", "SELLING", "SOLD", "STOPPED", "FAILED"]
Phase = Literal["ACTIVE", "RUNNING", "STOPPED"]
Reason = Literal[
    "stop_loss",
    "target",
    "trailing_stop",
    "sell_time",
    "stopped",
    "exited",
    "killed",
    "day_loss",
    "closed_by_hand",
    "squared_off",
    "missed",
    "price_below_stop",
    "limit_not_reached",
    "feed_stale",
    "token_dead",
    "market_closed",
    "refused",
    "unresolved",
]

SENTENCES: Final[dict[Reason, str]] = {
    "stop_loss": "The price touched the stop-loss and the position was sold.",
    "target": "The price reached the target and the position was sold.",
    "trailing_stop": "The price touched the trailing stop and the position was sold.",
    "sell_time": "The sell time came and the position was sold.",
    "stopped": "The strategy was stopped by its owner.",
    "exited": "The owner asked to exit and the position was sold.",
    "killed": "The kill switch was pressed.",
    "day_loss": "The account reached its day-loss limit.",
    "closed_by_hand": "The position was closed by hand at the broker.",
    "squared_off": "The broker squared the position off.",
    "missed": "The entry was missed: no price came between the buy time and the end of its grace.",
    "price_below_stop": "Nothing was bought: the price was already at or under the stop-loss.",
    "limit_not_reached": "Nothing was bought: the price did not come down to the limit in time.",
    "feed_stale": "Nothing was bought: the price feed was stale at the buy time.",
    "token_dead": "The broker session ended: log in to the broker again.",
    "market_closed": "The market is closed today.",
    "refused": "The order was refused.",
    "unresolved": "The broker's answer to an order is unclear: a person must look.",
}

OWNER_REASONS: Final = frozenset[Reason](
    {"stopped", "exited", "killed", "day_loss", "closed_by_hand", "squared_off"}
)
"""Exits that end STOPPED; every other completed exit ends SOLD."""


def sentence(reason: str) -> str:
    """The sentence for people; an empty reason has an empty sentence."""
    return SENTENCES.get(reason, "")  # pyright: ignore[reportCallIssue, reportArgumentType]


def is_reason(text: str) -> bool:
    """Whether `text` is one of the fixed reasons."""
    return text in get_args(Reason)
