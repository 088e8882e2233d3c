"""Access tokens as brokers give them."""

import re
from typing import Final

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")
"""It goes into headers and addresses. Dhan's have some hundred characters."""


def readable_token(token: object) -> str:
    """An access token; empty for anything that is none."""
    return token if isinstance(token, str) and _TOKEN.fullmatch(token) else ""
