"""One pass over one account: look, decide, act, tell. A second pass with nothing changed writes
nothing. Written first is the session with the note about it, in one patch; then the status.
"""

import time
from dataclasses import dataclass, field, replace
from typing import Final

import structlog
from algo_brokers.kinds import LIVE, kind
from algo_contract import names
from algo_contract.broker_session import BrokerSession, session_json
from algo_contract.envelope.keys import SESSION_PUBLIC, PublicKey, UnusableKey, read_public
from algo_contract.envelope.layout import key_id_of, record_id_of
from algo_contract.envelope.seal import seal

from algo_login.broker_door import Door, Refused, TryLater, door, login_url
from algo_login.errors import Misconfigured
from algo_login.facts import UNREADABLE, Account, Json, read_account, wrong_address
from algo_login.kube import Kube
from algo_login.memory import Memory
from algo_login.metrics import Metrics
from algo_login.notes import Notes, notes_text
from algo_login.opening import Opener, Unreadable, session_binding
from algo_login.plan import SECOND, Plan, is_alive, is_asked_for, is_fresh_callback, plan
from algo_login.settings import Settings
from algo_login.times import now_us
from algo_login.verdict import (
    Verdict,
    apply_body,
    is_told,
    status_body,
    unreachable,
    unreadable,
    verdict,
)

log = structlog.get_logger(__name__)

FOREVER: Final = float("inf")
MAX_DOUBTS: Final = 2
DOUBT_SECONDS: Final = 600.0
"""A log-in that was good is refused while a broker's log-in service is down, too: it counts as
refused, and is not tried again, the third time, so much later each time. Brokers lock accounts."""

_CALLBACK_UNREADABLE: Final = (
    "spec.sealedCallback cannot be read: it was sealed for another account or key, or changed"
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a pass is handed."""

    settings: Settings
    kube: Kube
    opener: Opener
    memory: Memory = field(default_factory=Memory)
    metrics: Metrics = field(default_factory=Metrics)


@dataclass(frozen=True, slots=True)
class Case:
    """An account whose secrets are open; forgotten when the pass ends."""

    account: Account
    namespace_uid: str
    secrets: dict[str, str] = field(repr=False)
    headless: bool


async def look_after(desk: Desk, account: Account) -> float:
    """One pass; the seconds until the next one is due by itself.

    Raises:
        LoginError: Kubernetes could not be asked, or an administrator must act.
    """
    if account.broker not in LIVE or account.is_leaving:
        return FOREVER
    problem = wrong_address(account, desk.settings.broker_url_allowlist)
    if problem:
        return await _tell(desk, account, Verdict("AddressNotAllowed", problem))
    if account.login_id in {"", UNREADABLE}:
        decided = Plan(do="nothing", wait="login")
        return await _tell(desk, account, verdict(account, decided, now_us=now_us()))
    namespace_uid = await desk.kube.namespace_uid(account.namespace)
    try:
        secrets = desk.opener.login(account, namespace_uid)
        account = await _rewrap(desk, account, namespace_uid)
    except Unreadable:
        return await _tell(desk, account, unreadable("sealedLogin", account))
    headless = kind(account.broker).capabilities.headless_login
    return await _serve(desk, Case(account, namespace_uid, secrets, headless))


async def _serve(desk: Desk, case: Case) -> float:
    url = login_url(case.account, case.secrets)
    account, decided = case.account, _decide(desk, case)
    acts = decided.do != "nothing"
    trouble = desk.memory.trouble(account) if acts else None
    is_made = desk.memory.waiting(account, now_us=now_us()) is not None
    too_soon = desk.memory.too_soon(account) if acts and not is_made else 0.0
    try:
        async with door(account) as way:
            if acts and trouble is None and not too_soon:
                account = await _act(desk, case, way, decided)
            account = await _observe(desk, account, way)
    except TryLater as error:
        trouble = desk.memory.failed(account, str(error), at_least=error.after_seconds)
        desk.metrics.failures += 1
        log.warning("login_failed", **_about(account), error=str(error), count=trouble.count)
    decided, now = _decide(desk, replace(case, account=account)), now_us()
    told = verdict(account, decided, now_us=now)
    if trouble is None:
        await _tell(desk, account, told, url=url)
        until_due = max((decided.next_us - now) / SECOND, 0.1) if decided.next_us else FOREVER
        return too_soon or until_due
    if not is_alive(account, now_us=now):
        told = unreachable(account, trouble.sentence)
    await _tell(desk, account, told, url=url)
    return max(trouble.until - time.monotonic(), 0.1)


def _decide(desk: Desk, case: Case) -> Plan:
    can_renew = desk.memory.session(case.account) is not None
    return plan(case.account, headless=case.headless, can_renew=can_renew, now_us=now_us())


async def _act(desk: Desk, case: Case, way: Door, decided: Plan) -> Account:
    """Logs in or renews, and writes down how it went.

    Raises:
        TryLater: the broker could not be asked.
        Misconfigured: nothing was asked, because the session could not be sealed.
    """
    account, operator_key = case.account, await _operator_key(desk)
    if words := desk.memory.refusal(account):
        return await _note(desk, account, account.notes.refused(account.login_id, words))
    try:
        session = await _session(desk, case, way, decided)
    except Unreadable:
        return await _note(desk, account, _used(account, _CALLBACK_UNREADABLE))
    except Refused as error:
        return await _refused(desk, case, str(error))
    desk.memory.unsaved[account.uid] = (account.login_id, session)
    account = await _keep(desk, case, session, operator_key)
    desk.memory.saved(account, session)
    desk.metrics.logins += 1
    log.info("logged_in", **_about(account), renewed=decided.do == "renew")
    return account


async def _session(desk: Desk, case: Case, way: Door, decided: Plan) -> BrokerSession:
    account = case.account
    waiting = desk.memory.waiting(account, now_us=now_us())
    if waiting is not None:
        return waiting
    desk.memory.asked[account.uid] = time.monotonic()
    held = desk.memory.session(account)
    if decided.do == "renew" and held is not None:
        renewed = await way.renew(held, now_us=now_us())
        if renewed is not None:
            return renewed
    return await way.log_in(case.secrets, _callback(desk, case), now_us=now_us())


async def _refused(desk: Desk, case: Case, words: str) -> Account:
    account = case.account
    desk.metrics.refusals += 1
    log.warning("login_refused", **_about(account), error=words)
    if not case.headless:
        return await _note(desk, account, _used(account, f"{account.broker} refused: {words}"))
    notes = account.notes
    if account.login_id == notes.login and notes.doubts < MAX_DOUBTS:
        await _note(desk, account, replace(notes, doubts=notes.doubts + 1))
        said = f"it refused the log-in that it took before: {words}"
        raise TryLater(said, after_seconds=DOUBT_SECONDS)
    desk.memory.refusals[account.uid] = (account.login_id, words)
    return await _note(desk, account, notes.refused(account.login_id, words))


async def _operator_key(desk: Desk) -> PublicKey:
    try:
        return read_public((await desk.kube.public_keys()).get(SESSION_PUBLIC, ""))
    except UnusableKey:
        raise Misconfigured(
            f"the operator has not published its {SESSION_PUBLIC} yet: no session can be sealed"
        ) from None


def _callback(desk: Desk, case: Case) -> dict[str, str]:
    if case.headless or not is_fresh_callback(case.account):
        return {}
    return desk.opener.callback(case.account, case.namespace_uid)


async def _keep(desk: Desk, case: Case, session: BrokerSession, operator_key: PublicKey) -> Account:
    """Seals the session for the operator and puts it on the account."""
    account = case.account
    is_asked = is_asked_for(account, now_us())
    binding = session_binding(account, case.namespace_uid)
    sealed = seal(session_json(session).encode(), operator_key, binding)
    notes = Notes(
        login=account.login_id,
        session=record_id_of(sealed),
        issued_us=session.issued_us,
        expires_us=session.expires_us,
        observed_ip=account.notes.observed_ip,
        answered_us=account.requested_us if is_asked else account.notes.answered_us,
        used_callback=account.callback_id or account.notes.used_callback,
    )
    return await _note(desk, account, notes, spec={"sealedSession": sealed})


async def _observe(desk: Desk, account: Account, way: Door) -> Account:
    """Learns the address that orders will come from, now and then. Without an egress proxy that is
    not the address of this process, and nobody can tell it from here.
    """
    echo_url, held = desk.settings.ip_echo_url, desk.memory.session(account)
    if not account.egress_proxy or (held is None and not echo_url):
        return account
    if not desk.memory.wants_look(account):
        return account
    seen = await way.observed_address(held, echo_url=echo_url)
    desk.memory.looked(account, is_known=seen is not None)
    if seen is None or seen == account.notes.observed_ip:
        return account
    return await _note(desk, account, replace(account.notes, observed_ip=seen))


async def _rewrap(desk: Desk, account: Account, namespace_uid: str) -> Account:
    """A log-in under an old key gets the current one; its body stays."""
    if key_id_of(account.sealed_login) == desk.opener.public().id.hex():
        return account
    sealed = desk.opener.rewrapped(account, namespace_uid)
    log.info("login_rewrapped", **_about(account))
    return read_account(await desk.kube.patch_account(account, {"spec": {"sealedLogin": sealed}}))


async def _note(desk: Desk, account: Account, notes: Notes, *, spec: Json | None = None) -> Account:
    body: Json = {"metadata": {"annotations": {names.LOGIN_NOTE_ANNOTATION: notes_text(notes)}}}
    if spec is not None:
        body["spec"] = spec
    return read_account(await desk.kube.patch_account(account, body))


async def _tell(desk: Desk, account: Account, told: Verdict, *, url: str = "") -> float:
    status = status_body(account, told, login_url=url, now_us=now_us())
    if not is_told(account, status):
        await desk.kube.apply_status(account, apply_body(account, status))
    return FOREVER


def _used(account: Account, sentence: str) -> Notes:
    return replace(account.notes, used_callback=account.callback_id, refusal=sentence[:400])


def _about(account: Account) -> dict[str, str]:
    return {"namespace": account.namespace, "account": account.name, "broker": account.broker}
