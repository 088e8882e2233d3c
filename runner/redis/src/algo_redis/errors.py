"""What can go wrong between a process and Redis.

RedisError
├── RedisUnavailable  no connection, or it was lost, or the deadline passed
└── RedisRefused      the server answered with an error
"""

from typing import Final

TRANSIENT_CODES: Final = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOREPLICAS",
        "READONLY",
        "TRYAGAIN",
    }
)
"""Refusals that end by themselves or by a person's hand: the server loads its data, fails over,
runs a long script, cannot write its file."""


class RedisError(Exception):
    """Any failure of a call to Redis."""


class RedisUnavailable(RedisError):
    """No answer came. The connection is closed; a new one is needed.

    `in_flight` tells whether commands had been handed to the network: then the server may have
    carried out all, some or none of them. Otherwise nothing was sent.
    """

    def __init__(self, message: str, *, in_flight: bool) -> None:
        """`message` names the server and what happened."""
        super().__init__(message)
        self.in_flight: Final = in_flight


class RedisRefused(RedisError):
    """The server answered with an error; the connection stays usable.

    `code` is the answer's first word (NOSCRIPT, NOPERM, FENCED, ERR), `detail` the rest.
    `index` is the refused command's place in its pipeline; the others were carried out.
    """

    def __init__(self, code: str, detail: str, *, command: str = "", index: int = 0) -> None:
        """The answer's two parts, and which command it answers."""
        super().__init__(f"{command}: {code} {detail}" if command else f"{code} {detail}")
        self.code: Final = code
        self.detail: Final = detail
        self.index: Final = index

    @property
    def is_transient(self) -> bool:
        """Whether the same command may succeed a little later."""
        return self.code in TRANSIENT_CODES


def refusal(text: str) -> RedisRefused:
    """The refusal in an error reply's text."""
    code, _, detail = text.partition(" ")
    return RedisRefused(code, detail)
