"""What is inside login and callback envelopes: JSON, checked when it goes in and when it comes out.

No message ever holds a value.
"""

import base64
import binascii
import json
import re
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from algo_contract.brokers import CALLBACK_FIELDS, LOGIN_FIELDS

VALUE_LIMIT: Final = 512
_VALUE: Final = re.compile(r"[!-~]+")


class UnusableRecord(ValueError):
    """A record is not what its broker needs; the message names fields, never values."""


def login_record(broker: str, fields: dict[str, str]) -> bytes:
    """Log-in secrets, ready to be sealed; blanks around values are dropped.

    Raises:
        UnusableRecord: a field is missing, unknown or cannot be right.
    """
    return _json(_login(broker, {name: value.strip() for name, value in fields.items()}))


def read_login(broker: str, record: bytes) -> dict[str, str]:
    """Log-in secrets as they were sealed.

    Raises:
        UnusableRecord: as `login_record`.
    """
    return _login(broker, read_fields(record))


def callback_record(broker: str, returned: str) -> bytes:
    """What the browser came back with, ready to be sealed: the address it was sent to, or the code
    alone.

    Raises:
        UnusableRecord: the broker has no browser log-in, or this is not its return.
    """
    name = _callback_field(broker)
    text = returned.strip()
    if "=" in text or "/" in text:
        text = _from_address(name, text)
    return _json(_callback(broker, {name: text}))


def read_callback(broker: str, record: bytes) -> dict[str, str]:
    """The browser log-in's return as it was sealed.

    Raises:
        UnusableRecord: as `callback_record`.
    """
    return _callback(broker, read_fields(record))


def read_fields(record: bytes) -> dict[str, str]:
    """A JSON object of texts.

    Raises:
        UnusableRecord: it is something else.
    """
    try:
        fields: Any = json.loads(record)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise UnusableRecord("the record is not a JSON object")
    named = cast("dict[str, object]", fields)
    if not all(isinstance(value, str) for value in named.values()):
        raise UnusableRecord("every field must be text, in quotes")
    return cast("dict[str, str]", named)


def _login(broker: str, fields: dict[str, str]) -> dict[str, str]:
    wanted = LOGIN_FIELDS.get(broker)
    if wanted is None:
        raise UnusableRecord(
            f"{broker} is no broker to log in at; there are: {', '.join(LOGIN_FIELDS)}"
        )
    _check(fields, wanted)
    if "totp_seed" in fields:
        _check_seed(fields["totp_seed"])
    return fields


def _callback(broker: str, fields: dict[str, str]) -> dict[str, str]:
    _check(fields, (_callback_field(broker),))
    return fields


def _callback_field(broker: str) -> str:
    if broker not in CALLBACK_FIELDS:
        raise UnusableRecord(f"{broker} has no browser log-in")
    return CALLBACK_FIELDS[broker]


def _from_address(name: str, address: str) -> str:
    parts = urlsplit(address)
    query = parse_qs(parts.query or parts.path.lstrip("?"))
    if query.get("status", ["success"]) != ["success"]:
        raise UnusableRecord("the broker says that the log-in did not succeed: log in again")
    if len(query.get(name, [])) != 1:
        raise UnusableRecord(
            f"the address holds no {name}: paste the whole address of the last page"
        )
    return query[name][0]


def _check(fields: dict[str, str], wanted: tuple[str, ...]) -> None:
    wrong = [f"{name} is missing" for name in wanted if not fields.get(name)]
    wrong += [f"{name[:40]!r} is not asked for" for name in fields if name not in wanted]
    wrong += [
        f"{name} must be up to {VALUE_LIMIT} letters, digits and signs without blanks"
        for name in wanted
        if fields.get(name) and not _is_plain(fields[name])
    ]
    if wrong:
        raise UnusableRecord("; ".join(wrong[:10]))


def _is_plain(value: str) -> bool:
    return len(value) <= VALUE_LIMIT and _VALUE.fullmatch(value) is not None


def _check_seed(seed: str) -> None:
    try:
        base64.b32decode(seed.upper() + "=" * (-len(seed) % 8))
    except (ValueError, binascii.Error):
        raise UnusableRecord("totp_seed is not base32 (letters and the digits 2 to 7)") from None


def _json(fields: dict[str, str]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
