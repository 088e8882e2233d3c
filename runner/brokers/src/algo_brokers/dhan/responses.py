"""Dhan's answers: JSON, or one of the errors of the port.

Codes: DhanHQ v2 annexure (DH-901 to DH-911 for trading, 800 to 814 for data). The HTTP numbers
beside them are not promised, so the code in the body decides, but for 5xx: whatever a failing
server says of an order, only the book tells.
"""

from typing import Any, Final

from algo_brokers.dhan.parsing import cleaned, text_of
from algo_brokers.errors import (
    AddressRefused,
    BrokerError,
    RateLimited,
    Rejected,
    TokenExpired,
    Unresolved,
)
from algo_brokers.http.client import Response
from algo_brokers.parsing import exact_json

RETRY_SECONDS: Final = 1.0
"""Before a call that was one too many is repeated: the shortest window that Dhan counts in."""

MAX_RETRY_SECONDS: Final = 60.0

_TOKEN_DEAD: Final = {"DH-901", "807", "808", "809"}
_TOO_MANY: Final = {"DH-904", "805"}
_ADDRESS: Final = {"DH-911"}
_UNKNOWN_OUTCOME: Final = {"DH-908", "DH-909", "DH-910", "800"}
"""Internal error, backend out of reach, and "other": none says that nothing was done."""


def read_answer(response: Response, *, is_write: bool) -> Any:
    """The JSON of a good answer, its decimals exact; None for an empty one.

    Raises:
        BrokerError: as the answer says.
    """
    if 200 <= response.status < 300:
        try:
            body = response.body.strip()
            reply = exact_json(body) if body else None
        except ValueError:
            raise Unresolved(_not_json(response.status)) from None
        if not _told(reply)[0]:
            return reply
    raise refusal(response, is_write=is_write)


def refusal(response: Response, *, is_write: bool = False) -> BrokerError:
    """What an answer that is not good means. A write was refused only where Dhan says so in its own
    words: what a gateway on the way answers proves nothing about an order.
    """
    status = response.status
    try:
        reply: Any = exact_json(response.body)
    except ValueError:
        if status == 429:
            return RateLimited(_words(status), retry_after=_retry_after(response))
        if status == 404 and not is_write:
            return Rejected(_words(status))
        return Unresolved(_not_json(status))
    code, message = _told(reply)
    text = _words(status, code, message)
    if status >= 500 or status // 100 == 3:
        return Unresolved(text)
    if code in _TOKEN_DEAD or (status == 401 and not code):
        return TokenExpired(text)
    if code in _TOO_MANY or status == 429:
        return RateLimited(text, retry_after=_retry_after(response))
    if code in _ADDRESS:
        return AddressRefused(text)
    timed_out = is_write and any(word in message.lower() for word in ("timed out", "timeout"))
    if code in _UNKNOWN_OUTCOME or status == 408 or timed_out or (is_write and not code):
        return Unresolved(text)
    return Rejected(text)


def is_not_found(error: BrokerError) -> bool:
    """Whether a look-up failed because there may be no such order. What Dhan says then is not
    documented; 404 and its codes for a bad order come into question.
    """
    return isinstance(error, Rejected) and not isinstance(error, AddressRefused)


def _told(reply: Any) -> tuple[str, str]:
    """Code and message of an error document; both empty for anything else."""
    if not isinstance(reply, dict):
        return "", ""
    if "errorCode" in reply or "errorType" in reply:
        code = text_of(reply.get("errorCode")) or text_of(reply.get("errorType"))
        return code or "no code", text_of(reply.get("errorMessage"))
    if text_of(reply.get("status")).lower() in ("failed", "failure", "error"):
        told = reply.get("data")
        if isinstance(told, dict) and told:
            code, message = next(iter(told.items()))
            return text_of(code), text_of(message)
        return "failed", text_of(reply.get("message")) or text_of(reply.get("remarks"))
    return "", ""


def _words(status: int, code: str = "", message: str = "") -> str:
    told = cleaned(" ".join(part for part in (code, message) if part))
    return f"Dhan: {told or 'no reason given'} (HTTP {status})"


def _not_json(status: int) -> str:
    return f"Dhan answered HTTP {status} with something other than JSON"


def _retry_after(response: Response) -> float:
    text = response.headers.get("retry-after", "")
    if text.isascii() and text.isdecimal() and len(text) < 6:
        return min(max(float(text), RETRY_SECONDS), MAX_RETRY_SECONDS)
    return RETRY_SECONDS
