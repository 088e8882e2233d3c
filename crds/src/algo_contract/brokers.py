"""The one list of brokers: what each needs to log in, and what a browser brings back."""

from typing import Final, Literal

BrokerName = Literal["zerodha", "dhan", "fyers", "angelone", "paper"]
"""What `BrokerAccount.spec.broker` may say."""

LOGIN_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "zerodha": ("api_key", "api_secret", "user_id"),
    "dhan": ("client_id", "pin", "totp_seed"),
}
"""The brokers that this release trades through, and what `algo-seal` asks for: texts."""

CALLBACK_FIELDS: Final[dict[str, str]] = {"zerodha": "request_token"}
"""What a browser log-in brings back in its redirect's query, by broker; others have none."""

LIVE_BROKERS: Final = tuple(LOGIN_FIELDS)
"""Brokers that live strategies may use in this release."""

_NO_SECRETS: Final = frozenset({"user_id", "client_id"})

SECRET_FIELDS: Final = frozenset(
    {field for fields in LOGIN_FIELDS.values() for field in fields if field not in _NO_SECRETS}
    | set(CALLBACK_FIELDS.values())
    | {"access_token", "refresh_token", "public_token", "enctoken", "sealed_login"}
)
"""Fields whose values are written nowhere: log-in secrets, and what brokers answer with."""
