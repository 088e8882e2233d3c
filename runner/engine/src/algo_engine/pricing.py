"""Stop and target prices: exact integer arithmetic in paise."""

from algo_contract.messages.assignment import Assignment
from algo_contract.trading_day import TickBand, tick_size

from algo_engine.orders import Terms
from algo_engine.state import State, average_price, bought

_WHOLE = 10_000
"""Basis points in one."""

PROTECTION_BPS = 300
"""How far under its trigger the limit of a resting stop lies: wide, for a stop that is not filled
is none; the runner turns what is left into a market exit at once."""


def base_stop(state: State, bands: tuple[TickBand, ...]) -> int:
    """The strategy's own stop: its price, or its percentage under the average fill rounded up to
    the tick. 0 while a percentage has no fill to start from.
    """
    strategy = state.strategy
    if strategy.stop_loss is not None:
        return strategy.stop_loss
    if strategy.stop_loss_bps is None or state.entry is None or bought(state) == 0:
        return 0
    part = state.entry.value * (_WHOLE - strategy.stop_loss_bps)
    return _up_to_tick(part, state.entry.filled * _WHOLE, tick_size(bands, average_price(state)))


def trailing_stop(state: State, bands: tuple[TickBand, ...]) -> int:
    """The trailing stop for the highest price so far, rounded up to the tick; 0 without one."""
    distance = state.strategy.trailing_bps
    if distance is None or state.high == 0:
        return 0
    return _up_to_tick(state.high * (_WHOLE - distance), _WHOLE, tick_size(bands, state.high))


def stop_in_force(state: State, bands: tuple[TickBand, ...]) -> int:
    """The price at or under which the position is sold; 0 while there is none."""
    return max(base_stop(state, bands), state.trail)


def resting_trigger(state: State, bands: tuple[TickBand, ...]) -> int:
    """The trigger of the stop at the broker: the stop in force on the exchange's grid.

    Prices lie on the grid, so rounding a typed stop down there changes nothing; percentage and
    trailing stops already are on it.
    """
    stop = stop_in_force(state, bands)
    step = tick_size(bands, stop)
    return max(stop // step * step, step)


def resting_terms(state: State, day: Assignment, quantity: int) -> Terms:
    """The stop that is left at the broker: as a market order behind a trigger or, where the broker
    or the exchange takes none, as a limit a protection band under it.
    """
    trigger = resting_trigger(state, day.tick_bands)
    if day.resting_stop == "STOP_MARKET":
        return Terms(type="STOP_MARKET", quantity=quantity, trigger_price=trigger)
    limit = trigger * (_WHOLE - PROTECTION_BPS) // _WHOLE
    step = tick_size(day.tick_bands, limit)
    price = max(limit // step * step, step)
    return Terms(type="STOP_LIMIT", quantity=quantity, price=price, trigger_price=trigger)


def target_price(state: State) -> int | None:
    """The lowest price in paise that reaches the target; None without one (or before a fill)."""
    strategy = state.strategy
    if strategy.target is not None:
        return strategy.target
    if strategy.target_bps is None or state.entry is None or bought(state) == 0:
        return None
    return -(-state.entry.value * (_WHOLE + strategy.target_bps) // (state.entry.filled * _WHOLE))


def _up_to_tick(numerator: int, denominator: int, step: int) -> int:
    return -(-numerator // (denominator * step)) * step
