"""The engine: (state, event) → (state, actions). Pure, the same in replay, paper and live."""

from dataclasses import replace
from typing import assert_never

from algo_contract.messages.assignment import Assignment
from algo_contract.money import rupee_text
from algo_contract.states import OWNER_REASONS, Reason, sentence

from algo_engine.commands import apply_command, apply_edit
from algo_engine.decisions import Enter, Exit, Moment, Skip, decide, grow_high
from algo_engine.events import (
    Action,
    Command,
    Event,
    Notice,
    OrderReported,
    Place,
    ProcessResumed,
    RequestResult,
    SessionEnd,
    SessionRenewed,
    StrategyEdited,
    Tick,
    Timer,
)
from algo_engine.order_requests import mark_in_flight, required_requests
from algo_engine.order_updates import apply_close, apply_renewal, apply_report, apply_result
from algo_engine.orders import Order, Terms
from algo_engine.state import State, is_flat, next_attempt

Step = tuple[State, list[Action]]


def step(state: State, day: Assignment, event: Event) -> Step:
    """What one event changes, and what is to be done about it.

    The requests among the actions are already noted in the state: journal the state first, then
    send them in order, and feed every answer back as events.
    """
    state, told = _absorb(state, day, event)
    moment = event if isinstance(event, Tick | Timer | SessionEnd) else Timer(state.time_us)
    state, actions = _act(state, day, moment)
    actions = told + actions
    for request in required_requests(state, day):
        state = mark_in_flight(state, request)
        actions.append(request)
    return state, actions


def _absorb(state: State, day: Assignment, event: Event) -> tuple[State, list[Action]]:
    """The facts that an event brings."""
    match event:
        case Tick(price, time_us, cursor):
            state = replace(
                state,
                last_price=price,
                time_us=max(time_us, state.time_us),
                cursor=cursor or state.cursor,
            )
            return grow_high(state, day, price), []
        case Timer(time_us):
            return replace(state, time_us=max(time_us, state.time_us)), []
        case OrderReported(row):
            return apply_report(state, day, row)
        case RequestResult():
            return apply_result(state, event)
        case Command():
            return apply_command(state, event)
        case StrategyEdited(strategy):
            return apply_edit(state, day, strategy)
        case SessionEnd() | SessionRenewed() | Notice() | ProcessResumed():
            return _noticed(state, day, event)
        case _:
            assert_never(event)


def _noticed(
    state: State, day: Assignment, event: SessionEnd | SessionRenewed | Notice | ProcessResumed
) -> tuple[State, list[Action]]:
    match event:
        case SessionEnd():
            return apply_close(state, day)
        case SessionRenewed():
            return apply_renewal(state), []
        case Notice():
            return state, [event]
        case ProcessResumed():
            return state, []


def _act(state: State, day: Assignment, moment: Moment) -> tuple[State, list[Action]]:
    decision = decide(state, day, moment)
    match decision:
        case None:
            return state, []
        case Enter():
            order = _entry_order(state)
            return mark_in_flight(state, Place(order)), [Place(order)]
        case Skip(reason, detail):
            return _skipped(state, reason, detail)
        case Exit(reason):
            return _leaving(state, reason)
        case _:
            assert_never(decision)


def _entry_order(state: State) -> Order:
    strategy = state.strategy
    limit = strategy.limit_price if strategy.order_type == "Limit" else None
    terms = (
        Terms(type="MARKET", quantity=strategy.quantity)
        if limit is None
        else Terms(type="LIMIT", quantity=strategy.quantity, price=limit)
    )
    tag, attempt = next_attempt(state, "entry")
    return Order(
        tag=tag, leg="entry", attempt=attempt, side="BUY", terms=terms, time_us=state.time_us
    )


def _skipped(state: State, reason: Reason, detail: str) -> tuple[State, list[Action]]:
    action = f"{sentence(reason)} {detail}".strip()
    state = replace(state, skip_reason=reason, refusal=detail, last_action=action)
    return state, [Notice("EntrySkipped", action, is_warning=True)]


def _leaving(state: State, reason: Reason) -> tuple[State, list[Action]]:
    state = replace(state, exit_reason=reason)
    if is_flat(state):
        return replace(state, last_action=sentence(reason)), [Notice("Stopped", sentence(reason))]
    price = f" at a last price of {rupee_text(state.last_price)}" if state.last_price else ""
    words = reason.replace("_", " ")
    who = "asked for" if reason in OWNER_REASONS else "reached"
    action = f"Selling: {words} {who}{price}."
    return replace(state, last_action=action), [Notice("ExitDecided", action)]
