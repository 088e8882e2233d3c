"""Why a strategy that trades for real may make no entry now; exits go on whatever it is. Pure."""

import datetime as dt
import ipaddress
from typing import Literal, NamedTuple

from algo_contract import calendar
from algo_contract.calendar import TradingSession, clock_text
from algo_contract.trading_day import TOKEN_MARGIN_US

from algo_operator.model.observed import Account, ObservedStrategy


class NoEntry(NamedTuple):
    """The sentence for people, empty when an entry may be made, and the strategy's reason then."""

    sentence: str
    reason: Literal["refused", "token_dead"]


def no_entry(observed: ObservedStrategy, session: TradingSession) -> NoEntry:
    """Judges the day's entry of a live strategy."""
    token = _token(observed, session)
    if token:
        return NoEntry(token, "token_dead")
    address = address_differs(observed.account) if observed.account is not None else ""
    return NoEntry(address, "refused")


def _token(observed: ObservedStrategy, session: TradingSession) -> str:
    facts = observed.session
    if facts.state != "open":
        return "There is no session at the broker: log in."
    if facts.expires_us <= observed.wall_us:
        return f"The session at the broker ended at {clock_text(facts.expires_us)}: log in again."
    return ends_early(observed, session)


def ends_early(observed: ObservedStrategy, session: TradingSession) -> str:
    """The sentence when the session ends before the day is safely over, else nothing.

    A recorded day's times say nothing about a session's, which ends by the wall clock.
    """
    if observed.clock == "Feed":
        return ""
    day = dt.date.fromisoformat(session.trading_day)
    needed = calendar.square_off_us(day, broker=observed.broker) + TOKEN_MARGIN_US
    if observed.session.expires_us >= needed:
        return ""
    return (
        f"The session at {observed.broker} ends on {session.trading_day} at "
        f"{clock_text(observed.session.expires_us)}, before {clock_text(needed)}, when an exit may "
        "still be under way. Log in again: no entry is made before."
    )


def address_differs(account: Account) -> str:
    """The sentence when the broker sees another address than is registered, else nothing."""
    observed, registered = account.observed_ip, account.registered_ip
    if not observed or not registered or _same(observed, registered):
        return ""
    return (
        f"{account.broker} sees us come from {observed}, but {registered} is registered: it would "
        "refuse the orders. Send them through the registered address (spec.egressProxy), or "
        "register the other one and change spec.registeredIP. No entry is made before."
    )


def _same(one: str, other: str) -> bool:
    try:
        return ipaddress.ip_address(one) == ipaddress.ip_address(other)
    except ValueError:
        return one == other
