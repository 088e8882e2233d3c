"""What the worker must not forget when it restarts: a note on the BrokerAccount, without secrets.

It is written in the same patch as the session, so the two never disagree. A refused log-in is in
it because brokers lock accounts whose PIN is wrong too often: no restart may try it again. One that
made a session before is tried twice more, for a broker's log-in service that is down refuses too.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

_SENTENCE_LIMIT: Final = 400
_LATEST_US: Final = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRecord:
    """Envelopes are named by their record id, so that re-wrapping changes nothing."""

    login: str = ""
    """The log-in that the session was made with."""

    session: str = ""
    """The session's envelope."""

    issued_us: int = 0
    expires_us: int = 0
    answered_us: int = 0
    """The newest request for another session that there was when it was made."""

    observed_ip: str = ""
    """The address the broker sees us come from through the egress proxy, as last learnt."""

    used_callback: str = ""
    """The newest browser log-in that was tried: each is tried once."""

    doubts: int = 0
    """How often in a row the broker has refused the log-in that it took before."""

    refused_login: str = ""
    """The log-in that the broker refused: not tried again."""

    refusal: str = ""
    """Its words."""

    def refused(self, login: str, sentence: str) -> "LoginRecord":
        """With a refused log-in."""
        return replace(self, refused_login=login, refusal=sentence[:_SENTENCE_LIMIT])


def record_text(record: LoginRecord) -> str:
    """As the annotation holds it: what is empty is left out."""
    told = {name: value for name, value in asdict(record).items() if value}
    return json.dumps(told, separators=(",", ":"), sort_keys=True)


def read_record(text: str) -> LoginRecord:
    """The record; what nobody can read is nothing."""
    try:
        fields: dict[str, Any] = json.loads(text)
        record = LoginRecord(**fields)
    except (TypeError, ValueError, RecursionError):
        return LoginRecord()
    blank = LoginRecord()
    is_sound = all(
        type(getattr(record, name)) is type(getattr(blank, name)) for name in LoginRecord.__slots__
    ) and all(
        0 <= time_us < _LATEST_US
        for time_us in (record.issued_us, record.expires_us, record.answered_us)
    )
    return record if is_sound else blank
