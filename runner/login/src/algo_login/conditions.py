"""What people read: the condition LoggedIn and the status fields beside it. Pure."""

from dataclasses import dataclass
from typing import Literal

from algo_contract import names
from algo_contract.calendar import ist_datetime
from algo_kube.resources import Json
from algo_kube.times import timestamp

from algo_login.account import UNREADABLE, Account
from algo_login.plan import Plan, is_alive, is_asked_for

Reason = Literal[
    "LoggedIn",
    "LoginNeeded",
    "LoginRefused",
    "LoginUnreachable",
    "EnvelopeUnreadable",
    "AddressNotAllowed",
]


@dataclass(frozen=True, slots=True)
class LoginCondition:
    """The condition's reason and sentence; its status follows from the reason."""

    reason: Reason
    message: str


def login_condition(account: Account, plan: Plan, *, now_us: int) -> LoginCondition:
    """How a log-in stands when nothing went wrong in this pass."""
    if is_alive(account, now_us=now_us) and plan.wait != "login":
        until = _moment(account.record.expires_us)
        if plan.wait == "refused":
            return LoginCondition(
                "LoggedIn", f"The session lives until {until}. {_refused(account)}"
            )
        told = f"Logged in to {account.broker}; the session ends on {until}."
        return LoginCondition("LoggedIn", told + _unseen(account))
    match plan.wait:
        case "login":
            return _no_login(account)
        case "refused":
            return LoginCondition("LoginRefused", _refused(account))
        case "callback":
            return _browser_needed(account, now_us)
        case "" if plan.next_us:
            return LoginCondition(
                "LoginNeeded",
                "The session has ended. Nothing needs to be done: the next log-in is due on "
                f"{_moment(plan.next_us)}.",
            )
        case _:
            return LoginCondition("LoginNeeded", f"Logging in to {account.broker}.")


def unreadable(field: str, account: Account) -> LoginCondition:
    """An envelope that cannot be opened or does not hold what it should."""
    return LoginCondition(
        "EnvelopeUnreadable",
        f"spec.{field} cannot be read: it was sealed for another account, namespace or broker or "
        "with a key that the platform no longer has, or it was changed. Seal it again with "
        f"algo-seal for the account {account.name} and the namespace's present UID.",
    )


def unreachable(account: Account, sentence: str) -> LoginCondition:
    """A broker that could not be asked, and no session."""
    return LoginCondition(
        "LoginUnreachable",
        f"{account.broker} could not be asked: {_sentence(sentence)} It is tried again by itself.",
    )


def status_body(
    account: Account, condition: LoginCondition, *, login_url: str, now_us: int
) -> Json:
    """All of the status that is ours."""
    record = account.record
    has_session = bool(account.session_id) and account.session_id == record.session
    fields: Json = {
        "tokenExpiresAt": timestamp(record.expires_us) if has_session else None,
        "lastLogin": timestamp(record.issued_us) if record.issued_us else None,
        "loginURL": login_url or None,
        "observedIP": (account.egress_proxy and record.observed_ip) or None,
    }
    return {name: value for name, value in fields.items() if value is not None} | {
        "conditions": [_condition(account, condition, now_us)]
    }


def is_current(account: Account, body: Json) -> bool:
    """Whether the account's status says it already."""
    ours = ("tokenExpiresAt", "lastLogin", "loginURL", "observedIP")
    return all(account.status.get(name) == body.get(name) for name in ours) and [
        *body["conditions"]
    ] == [row for row in _rows(account) if row.get("type") == names.LOGGED_IN_CONDITION]


def apply_body(account: Account, status: Json) -> Json:
    """For a server-side apply of the status; an account of the same name made again is refused."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.ACCOUNT_KIND,
        "metadata": {"name": account.name, "namespace": account.namespace, "uid": account.uid},
        "status": status,
    }


def _condition(account: Account, condition: LoginCondition, now_us: int) -> Json:
    old = next(
        (row for row in _rows(account) if row.get("type") == names.LOGGED_IN_CONDITION), None
    )
    is_true = "True" if condition.reason == "LoggedIn" else "False"
    stays = old is not None and old.get("status") == is_true
    return {
        "type": names.LOGGED_IN_CONDITION,
        "status": is_true,
        "reason": condition.reason,
        "message": condition.message[:1024],
        "lastTransitionTime": old["lastTransitionTime"] if old and stays else timestamp(now_us),
        "observedGeneration": account.generation,
    }


def _rows(account: Account) -> list[Json]:
    return account.status.get("conditions") or []


def _no_login(account: Account) -> LoginCondition:
    if account.login_id == UNREADABLE:
        return unreadable("sealedLogin", account)
    return LoginCondition(
        "LoginNeeded",
        f"Seal the log-in secrets of {account.broker} with algo-seal login and put the envelope "
        "into spec.sealedLogin.",
    )


def _browser_needed(account: Account, now_us: int) -> LoginCondition:
    is_now = is_asked_for(account, now_us)
    when = "now (the session is over)" if is_now else "on the morning of a trading day"
    how = (
        f"Open status.loginURL in a browser {when}, log in, seal the address it ends at with "
        "algo-seal callback and put the envelope into spec.sealedCallback."
    )
    if account.record.refusal:
        return LoginCondition("LoginRefused", f"{_sentence(account.record.refusal)} {how}")
    return LoginCondition("LoginNeeded", f"{account.broker} wants a person to log in. {how}")


def _unseen(account: Account) -> str:
    """Why a registered address is compared with nothing."""
    if account.egress_proxy or not account.registered_ip:
        return ""
    return (
        " Without spec.egressProxy every runner sends its orders from the address of its own node, "
        "so status.observedIP stays empty and spec.registeredIP is compared with nothing."
    )


def _refused(account: Account) -> str:
    return (
        f"{account.broker} refused the log-in: {_sentence(account.record.refusal)} It is not tried "
        "again with the same secrets, because brokers lock accounts: seal the right ones into "
        "spec.sealedLogin (also when they were right and the broker has let you in again)."
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."


def _moment(time_us: int) -> str:
    return ist_datetime(time_us).strftime("%a %d %b %Y at %H:%M (IST)")
