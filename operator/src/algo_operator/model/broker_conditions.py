"""CredentialsReady and EgressReady of an account, and of strategies that trade through it. Pure."""

from typing import Final

from algo_contract.calendar import ist_datetime
from algo_kube.conditions import Condition

from algo_operator.model.entry_checks import address_differs
from algo_operator.model.observed import Account, SessionState

PAPER_CREDENTIALS: Final = Condition("True", "NotNeeded", "Paper trading needs no broker session.")
NOT_JUDGED: Final = Condition(
    "Unknown", "AccountNotReady", "Not judged before the account can be used: see Ready."
)
PAPER_EGRESS: Final = Condition("True", "NotNeeded", "Paper trading sends nothing to a broker.")


def has_session(session: SessionState, *, now_us: int) -> bool:
    """Whether there is a session that the broker still takes."""
    return session.state == "open" and session.expires_us > now_us


def credentials(account: Account, session: SessionState, *, now_us: int) -> Condition:
    """Whether there is a session at the broker to trade with."""
    match session.state:
        case "none":
            return Condition(
                "False",
                "SessionMissing",
                f"Nobody has logged in to {account.broker} yet. Seal the log-in secrets into "
                "spec.sealedLogin with algo-seal; the condition LoggedIn of the BrokerAccount "
                f"{account.name} says what the log-in worker waits for, status.loginURL where a "
                "browser is needed.",
            )
        case "unreadable":
            return Condition(
                "False",
                "SessionUnreadable",
                f"spec.sealedSession of the BrokerAccount {account.name} cannot be opened: it was "
                "sealed for another account or to another key, or changed. Log in again: the "
                "log-in worker then writes a new one.",
            )
        case "open" if session.expires_us <= now_us:
            return Condition(
                "False",
                "SessionExpired",
                f"The session at {account.broker} ended on {_moment(session.expires_us)}. Log in "
                "again: no entry is made before; orders resting at the broker stay.",
            )
        case "open":
            return Condition(
                "True",
                "SessionOpen",
                f"Logged in to {account.broker} until {_moment(session.expires_us)}.",
            )


def egress(account: Account) -> Condition:
    """Whether orders leave from the address that the broker has registered."""
    if not account.registered_ip:
        return Condition(
            "Unknown",
            "AddressNotRegistered",
            f"spec.registeredIP is empty, so nobody can tell whether {account.broker} knows the "
            "address orders come from: it refuses orders from any other. Register the address "
            "there and write it into spec.registeredIP.",
        )
    if not account.observed_ip:
        return Condition(
            "Unknown",
            "AddressNotSeen",
            f"It is not known yet from which address {account.broker} sees us come: the log-in "
            "worker writes status.observedIP when it learns it.",
        )
    wrong = address_differs(account)
    if wrong:
        return Condition("False", "AddressDiffers", wrong)
    return Condition(
        "True",
        "AddressMatches",
        f"Orders leave from {account.observed_ip}, the address registered at {account.broker}.",
    )


def _moment(time_us: int) -> str:
    return ist_datetime(time_us).strftime("%a %d %b %Y at %H:%M (IST)")
