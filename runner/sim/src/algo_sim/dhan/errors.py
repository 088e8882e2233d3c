"""What Dhan answers when it does not do it: errorType, errorCode and errorMessage (DhanHQ v2
"Annexure: Trading API Error"). The HTTP statuses are those its documents hint at.
"""

from typing import Final

from algo_sim.exchange.order_checks import Rejection
from algo_sim.protocol import ApiError, FaultKind

AUTHENTICATION: Final = "DH-901"
ACCESS: Final = "DH-902"
ACCOUNT: Final = "DH-903"
RATE_LIMIT: Final = "DH-904"
INPUT: Final = "DH-905"
ORDER: Final = "DH-906"
DATA: Final = "DH-907"
INTERNAL: Final = "DH-908"
NETWORK: Final = "DH-909"
OTHERS: Final = "DH-910"
ADDRESS: Final = "DH-911"

_TABLE: Final = {
    AUTHENTICATION: (401, "Invalid_Authentication"),
    ACCESS: (403, "Invalid_Access"),
    ACCOUNT: (403, "User_Account"),
    RATE_LIMIT: (429, "Rate_Limit"),
    INPUT: (400, "Input_Exception"),
    ORDER: (400, "Order_Error"),
    DATA: (400, "Data_Error"),
    INTERNAL: (500, "Internal_Server_Error"),
    NETWORK: (502, "Network_Error"),
    OTHERS: (400, "Others"),
    ADDRESS: (403, "Invalid_IP"),
}


class Refused(Exception):
    """A call that is answered with an error body."""

    def __init__(self, code: str, message: str) -> None:
        """With the broker's code and words."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _TABLE[self.code][0]

    def body(self) -> dict[str, str]:
        """As JSON."""
        return {
            "errorType": _TABLE[self.code][1],
            "errorCode": self.code,
            "errorMessage": self.message,
        }


_OF_TROUBLE: Final[dict[FaultKind, tuple[str, str]]] = {
    "rate_limit": (
        RATE_LIMIT,
        "Too many requests on server from single user breaching rate limits",
    ),
    "token_expired": (AUTHENTICATION, "Client ID or user generated access token is invalid"),
    "address_refused": (ADDRESS, "Invalid IP: this address is not whitelisted for the account"),
    "server_error": (INTERNAL, "Internal server error: the request was not processed"),
    "refuse": (ORDER, "Incorrect request for order and cannot be processed"),
    "reject_modify": (ORDER, "Order cannot be modified in its present state"),
}
_AT_ONCE: Final = frozenset({"input"})
"""Objections to the fields of a call."""

LATER: Final = frozenset({"funds", "holding", "freeze", "band"})
"""Objections of the risk checks: the order is taken and then shown as REJECTED."""


def of_problem(problem: ApiError) -> Refused:
    """What stands for a problem that every broker has."""
    code, message = _OF_TROUBLE[problem.kind]
    return Refused(code, problem.message or message)


def of_objection(rejection: Rejection) -> Refused:
    """What stands for an objection that is answered at once."""
    return Refused(INPUT if rejection.reason in _AT_ONCE else ORDER, rejection.text)
