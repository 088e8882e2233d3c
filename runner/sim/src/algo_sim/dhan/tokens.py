"""Access tokens: they look like the broker's JWTs and live for 24 h of the wall clock."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Final

LIFE_SECONDS: Final = 86_400


class Tokens:
    """The tokens given out to one client."""

    def __init__(
        self, client_id: str, *, clock: Callable[[], float], voids_older: bool = False
    ) -> None:
        """`clock` gives seconds since the epoch; with `voids_older` a new token ends all others."""
        self.client_id: Final = client_id
        self.clock: Final = clock
        self._voids_older: Final = voids_older
        self._ends: Final[dict[str, float]] = {}
        self._key: Final = secrets.token_bytes(32)

    def issue(self) -> tuple[str, float]:
        """A new token and its end, seconds since the epoch. Earlier ones stay good, unless the
        account was made otherwise.
        """
        if self._voids_older:
            self.expire()
        now = self.clock()
        ends = now + LIFE_SECONDS
        claims = {
            "iss": "dhan",
            "exp": int(ends),
            "iat": int(now),
            "tokenConsumerType": "SELF",
            "dhanClientId": self.client_id,
            "jti": secrets.token_hex(8),
        }
        text = f"{_part({'typ': 'JWT', 'alg': 'HS512'})}.{_part(claims)}"
        token = f"{text}.{_text(hmac.digest(self._key, text.encode(), hashlib.sha512))}"
        self._ends[token] = ends
        return token, ends

    def grant(self, token: str) -> None:
        """Makes a token good for a life from now, without a log-in."""
        self._ends[token] = self.clock() + LIFE_SECONDS

    def renew(self, token: str) -> tuple[str, float]:
        """A new token for one that is alive, which is void from now on."""
        del self._ends[token]
        return self.issue()

    def is_good(self, token: str) -> bool:
        """Whether it was given out and is alive."""
        return self.ends(token) > self.clock()

    def was_given(self, token: str) -> bool:
        """Whether it is one of ours, alive or dead."""
        return any(same(known, token) for known in self._ends)

    def ends(self, token: str) -> float:
        """When it dies, seconds since the epoch; 0 for one that is not ours."""
        return next((ends for known, ends in self._ends.items() if same(known, token)), 0.0)

    def expire(self) -> None:
        """Ends all."""
        self._ends.update(dict.fromkeys(self._ends, 0.0))


def same(one: str, other: str) -> bool:
    """Equal, in constant time. Headers and JSON may hold what is no good Unicode."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))


def _part(value: Mapping[str, object]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
