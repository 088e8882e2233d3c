"""What people change while a strategy runs: edits of its resource, commands."""

from dataclasses import replace

from algo_contract.messages.assignment import Assignment, Strategy
from algo_contract.money import rupee_text

from algo_engine.events import Action, Command, Notice
from algo_engine.pricing import stop_in_force, trailing_stop
from algo_engine.state import State, entry_is_live, position


def apply_edit(state: State, day: Assignment, strategy: Strategy) -> tuple[State, list[Action]]:
    """Takes over an edit. In position only stop, target, trailing, sell time and desired state
    count at once; a stop at or above the last price is refused, and the old one stays.
    """
    if position(state) == 0 and not entry_is_live(state):
        return replace(state, strategy=strategy), []
    merged = replace(
        state.strategy,
        stop_loss=strategy.stop_loss,
        stop_loss_bps=strategy.stop_loss_bps,
        target=strategy.target,
        target_bps=strategy.target_bps,
        trailing_bps=strategy.trailing_bps,
        sell_time=strategy.sell_time,
        desired_state=strategy.desired_state,
        exit_requested=strategy.exit_requested,
        generation=strategy.generation,
    )
    changed = replace(state, strategy=merged)
    if merged.trailing_bps != state.strategy.trailing_bps:
        changed = replace(changed, trail=trailing_stop(changed, day.tick_bands))
    stop = stop_in_force(changed, day.tick_bands)
    if position(state) == 0 or stop < state.last_price:
        return changed, []
    kept = replace(
        merged,
        stop_loss=state.strategy.stop_loss,
        stop_loss_bps=state.strategy.stop_loss_bps,
        trailing_bps=state.strategy.trailing_bps,
    )
    note = (
        f"The new stop {rupee_text(stop)} is not under the last price "
        f"{rupee_text(state.last_price)}: the old one stays. To sell now, use exit."
    )
    return replace(state, strategy=kept), [Notice("StopRefused", note, is_warning=True)]


def apply_command(state: State, command: Command) -> tuple[State, list[Action]]:
    """Takes over a command. The resource carries the same wish durably; this is only faster."""
    strategy = state.strategy
    match command.kind:
        case "exit":
            strategy = replace(strategy, exit_requested=True)
        case "stop":
            strategy = replace(strategy, desired_state="Stopped")
        case "pause":
            strategy = replace(strategy, desired_state="Paused")
        case "resume":
            strategy = replace(strategy, desired_state="Active")
        case "reload":
            pass
    return replace(state, strategy=strategy, last_command=command.id), []
