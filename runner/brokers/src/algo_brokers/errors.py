"""What a broker can answer instead of what was asked.

BrokerError
├── Rejected          definitely refused by the broker or the exchange
│   └── AddressRefused    it takes orders from the registered address only
├── Unresolved        no readable answer: time-out, lost connection, 5xx; it may have happened
├── TokenExpired      the session ended
├── RateLimited       refused for now, explicitly; may be repeated after `retry_after` seconds
└── DeniedLocally     never sent
"""


class BrokerError(Exception):
    """Any failure of a call to a broker; the message is for people and holds no secret."""


class Rejected(BrokerError):
    """Definitely refused; nothing was done."""


class AddressRefused(Rejected):
    """The broker takes orders only from the address registered with it."""


class Unresolved(BrokerError):
    """No readable answer: whether it was done is unknown until the book was read."""


class TokenExpired(BrokerError):
    """The session ended: log in again. Nothing was done."""


class RateLimited(BrokerError):
    """Refused for now; nothing was done."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        """`retry_after` in seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class DeniedLocally(BrokerError):
    """Never sent."""
