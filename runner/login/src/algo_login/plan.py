"""When to log in: (facts, now) -> what to do. Pure; sees no secret.

A session must live past the broker's square-off and 15 minutes more (no entry is made on one that
does not). It is renewed in the morning of a trading day, not at night: brokers end sessions at
night (Zerodha about 06:00, Dhan 24 hours after issue), and the exchanges want a log-in a day.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal

from algo_contract import calendar

from algo_login.account import UNREADABLE, Account

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
MORNING: Final = dt.time(7, 45)
"""Exchange time from which on a day's session is made: Zerodha's own staff speak of tokens cleared
as late as 07:35; the market's pre-open begins at 09:00."""

AFTER_SQUARE_OFF_US: Final = 15 * MINUTE
LONGEST_US: Final = 7 * 24 * 60 * MINUTE
"""No broker's session is believed to live longer."""

SPACING_US: Final = MINUTE
"""Between two log-ins of an account, whatever happens."""

Do = Literal["nothing", "log_in", "renew"]
Wait = Literal["", "login", "callback", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now, and when to look again."""

    do: Do
    wait: Wait = ""
    """Whom it waits for where nothing can be done: sealed secrets, a browser log-in, other secrets
    than the refused ones."""

    next_us: int = 0
    """When the plan changes by itself; 0: when the account changes."""


def plan(account: Account, *, needs_browser: bool, can_renew: bool, now_us: int) -> Plan:
    """What to do about an account's session.

    Args:
        account: the facts.
        needs_browser: a person must log in at its broker.
        can_renew: a session of this process is at hand to be renewed.
        now_us: the wall clock.
    """
    if not account.login_id or account.login_id == UNREADABLE:
        return Plan(do="nothing", wait="login")
    record = account.record
    if account.login_id == record.refused_login:
        return Plan(do="nothing", wait="refused")
    fresh = is_fresh_callback(account)
    due_us = (
        0 if fresh and needs_browser else due(account, needs_browser=needs_browser, now_us=now_us)
    )
    due_us = max(due_us, record.issued_us + SPACING_US) if record.issued_us <= now_us else due_us
    if due_us > now_us:
        return Plan(do="nothing", next_us=due_us)
    if needs_browser and not fresh:
        return Plan(do="nothing", wait="callback")
    if can_renew and is_alive(account, now_us=now_us):
        return Plan(do="renew")
    return Plan(do="log_in")


def is_fresh_callback(account: Account) -> bool:
    """Whether somebody has logged in by browser and the return was not tried yet."""
    return account.callback_id not in {"", UNREADABLE, account.record.used_callback}


def is_alive(account: Account, *, now_us: int) -> bool:
    """Whether there is a session of the log-in as it is now, by all that is known: none where
    another was asked for since.
    """
    lives = account.record.expires_us > now_us and not is_asked_for(account, now_us)
    return lives and _is_of_this_login(account)


def is_asked_for(account: Account, now_us: int) -> bool:
    """Whether somebody wants another session than the one that is there. Which request that one
    answered is in the note, for the clock of whoever asks may be ahead of ours.
    """
    record, asked_us = account.record, account.requested_us
    is_new = asked_us > max(record.answered_us, record.issued_us - MINUTE)
    return is_new and asked_us <= now_us + MINUTE


def due(account: Account, *, needs_browser: bool, now_us: int) -> int:
    """The moment from which on a new session is wanted: 0 for at once.

    One that was made this morning and is short all the same is used up first. A person is asked as
    soon as the session has ended.
    """
    record = account.record
    if not _is_of_this_login(account) or is_asked_for(account, now_us):
        return 0
    if account.is_simulated:
        return record.expires_us
    day = _day_served(now_us, account.broker)
    expires_us = min(record.expires_us, now_us + LONGEST_US)
    while expires_us >= needed_until(day, account.broker):
        day = calendar.next_trading_day(day)
    morning = _at(day, MORNING)
    return expires_us if needs_browser or record.issued_us >= morning else morning


def needed_until(day: dt.date, broker: str) -> int:
    """How long a session must live to trade on a day."""
    return calendar.square_off_us(day, broker=broker) + AFTER_SQUARE_OFF_US


def _day_served(now_us: int, broker: str) -> dt.date:
    today = calendar.ist_datetime(now_us).date()
    if calendar.is_trading_day(today) and now_us < needed_until(today, broker):
        return today
    return calendar.next_trading_day(today)


def _is_of_this_login(account: Account) -> bool:
    record = account.record
    has_session = account.session_id not in {"", UNREADABLE}
    return has_session and (account.login_id, account.session_id) == (record.login, record.session)


def _at(day: dt.date, clock: dt.time) -> int:
    return calendar.microseconds(dt.datetime.combine(day, clock, calendar.IST))
