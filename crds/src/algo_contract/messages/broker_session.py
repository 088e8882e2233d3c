"""An account's session at its broker: `session.json` in the Secret of a live runner and of a feed.

The log-in worker makes a session, the operator opens its envelope and hands it on, the runner and
the feed use it. Nothing here shows a secret in a repr.
"""

from dataclasses import dataclass
from typing import Final

from algo_contract.messages.codec import Codec

SESSION_FILE: Final = "session.json"
"""In the Secret of a live runner and of an account's feed."""


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


_CODEC: Final = Codec(BrokerSession, name="broker session")


def session_json(session: BrokerSession) -> str:
    """Compact JSON, for envelopes and Secrets only."""
    return _CODEC.write(session)


def read_session(text: str) -> BrokerSession:
    """The session from JSON.

    Raises:
        ValueError: not a session of this release. The message never holds the text.
    """
    return _CODEC.read(text)
