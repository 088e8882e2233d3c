"""An account's session at its broker, and which secrets a log-in needs. Loads nothing large.

The log-in worker makes a session, the operator opens its envelope and hands it on, the runner and
the feed use it. Nothing here shows a secret in a repr.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

SESSION_FILE: Final = "session.json"
"""In the Secret of a live runner and of an account's feed."""

LOGIN_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "zerodha": ("api_key", "api_secret", "user_id"),
    "dhan": ("client_id", "pin", "totp_seed"),
}
"""What `algo-seal` asks for, by broker; every value is text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSession:
    """What a broker wants to see with every call."""

    broker: str
    client_id: str
    """The account's id at the broker: no secret, but nobody's business either."""

    api_key: str
    """Empty where the broker has none."""

    access_token: str
    issued_us: int
    expires_us: int
    """When the token ends at the latest, as known at log-in; µs since the epoch."""

    def __repr__(self) -> str:
        """Leaves key and token out."""
        return f"BrokerSession({self.broker}, {self.client_id}, expires_us={self.expires_us})"


def session_json(session: BrokerSession) -> str:
    """Compact JSON, for envelopes and Secrets only."""
    return json.dumps(asdict(session), separators=(",", ":"))


def read_session(text: str) -> BrokerSession:
    """The session from JSON.

    Raises:
        ValueError: not a session of this release. The message never holds the text.
    """
    try:
        fields: dict[str, Any] = json.loads(text)
        session = BrokerSession(**fields)
    except (TypeError, ValueError) as error:
        raise ValueError(f"unreadable broker session: {type(error).__name__}") from None
    texts: list[object] = [fields[n] for n in ("broker", "client_id", "api_key", "access_token")]
    numbers: list[object] = [fields["issued_us"], fields["expires_us"]]
    if not all(isinstance(t, str) for t in texts) or not all(isinstance(n, int) for n in numbers):
        raise ValueError("unreadable broker session: a field has the wrong type")
    return session
