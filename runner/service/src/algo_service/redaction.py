"""The one list of what must not be written: every secret of every broker, and what carries one.

A field is hidden by its name, at any depth of dictionaries and lists. The names of brokers' log-in
secrets come from the contract, so that a new broker's are hidden from its first day on.
"""

import re
from collections.abc import Mapping
from typing import Final, cast

from algo_contract.brokers import SECRET_FIELDS

HIDDEN: Final = "***"

_ANYWHERE: Final = (
    *("password", "passwd", "token", "secret", "authorization", "cookie", "sealed", "envelope"),
    *("callback", "checksum", "totp", "seed", "api_key", "apikey", "private_key", "credential"),
)
"""A name that holds one of these, in any case and with dashes for underscores, is a secret's."""

_WORDS: Final = frozenset({"pin", "session", "otp", "jwt"})
"""The same of names that have one of these as a whole word: inside others they are common."""

_WORD: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_EXACTLY: Final = frozenset(SECRET_FIELDS)


def is_secret(name: str) -> bool:
    """Whether a field of that name holds what must not be written."""
    plain = "_".join(_words(name))
    if plain in _EXACTLY or any(word in plain for word in _ANYWHERE):
        return True
    return not _WORDS.isdisjoint(_words(name))


def redacted(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields, with `***` in the place of every secret."""
    return {name: _shown(name, value) for name, value in fields.items()}


def _shown(name: str, value: object) -> object:
    if is_secret(name):
        return HIDDEN
    if isinstance(value, Mapping):
        inner = cast("Mapping[object, object]", value)
        return {str(key): _shown(str(key), each) for key, each in inner.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown("", each) for each in cast("list[object]", value)]
    return value


def _words(name: str) -> list[str]:
    """The words of a name in snake_case, kebab-case or camelCase."""
    return [word.lower() for word in _WORD.findall(name)]
