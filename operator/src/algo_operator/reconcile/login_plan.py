"""When to have the log-in worker replace a session that the broker has ended early. Pure.

The annotation that asks is all the memory there is: it outlives the operator, and the worker
answers a request with at most one session.
"""

from typing import Final

from algo_operator.clock import from_timestamp
from algo_operator.model.feeds import FeedSeen
from algo_operator.model.schedule import SECOND

DISTANCE_US: Final = 30 * 60 * SECOND
"""Between two requests for an account, whatever its feed says: brokers count log-ins, and somebody
who logs in elsewhere ends ours each time."""

SKEW_US: Final = 60 * SECOND
"""How far the worker's clock may be from this one. A request further in the future is none: the
worker does not hear it either."""


def request_due_us(seen: FeedSeen) -> int | None:
    """The moment from which on another session is to be asked for; None: nothing is to be asked.

    Once for a session: a request made after it was issued stands until another one is there. One
    of about the time when it was issued is the request that it answers. The worker replaces one
    whose known end has come by itself.
    """
    session, now_us = seen.session, seen.wall_us
    is_over = session.expires_us <= now_us
    if not seen.session_ended or is_over or seen.deleting or seen.account.problem:
        return None
    asked = seen.login_asked_us if seen.login_asked_us <= now_us + SKEW_US else 0
    if asked > session.issued_us + SKEW_US:
        return None
    return max(asked + DISTANCE_US, session.issued_us + SECOND)


def asked_us(annotation: str) -> int:
    """The time in the annotation, which anybody may have written; 0 where it holds none."""
    try:
        return from_timestamp(annotation)
    except ValueError:
        return 0
