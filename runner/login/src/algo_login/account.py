"""From a BrokerAccount's JSON to facts. Pure; opens nothing."""

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from algo_contract import names
from algo_contract.envelope.format import EnvelopeRefused, record_id_of
from algo_contract.url_allowlist import is_listed, proxy_problem
from algo_kube.times import from_timestamp

from algo_login.login_record import LoginRecord, read_record

UNREADABLE: Final = "unreadable"
"""In the place of a record id, where the text is no envelope."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of an account without opening anything."""

    namespace: str
    name: str
    uid: str
    version: str
    generation: int
    broker: str
    clock: Literal["Wall", "Feed"]
    base_url: str
    feed_url: str
    egress_proxy: str
    registered_ip: str
    """The address that the broker knows, as the account's owner says."""

    sealed_login: str
    sealed_session: str
    sealed_callback: str
    requested_us: int
    is_leaving: bool
    record: LoginRecord
    status: Json

    @property
    def login_id(self) -> str:
        """The log-in's record id; empty without one."""
        return _record_id(self.sealed_login)

    @property
    def session_id(self) -> str:
        """The session's."""
        return _record_id(self.sealed_session)

    @property
    def callback_id(self) -> str:
        """The browser log-in's."""
        return _record_id(self.sealed_callback)

    @property
    def is_simulated(self) -> bool:
        """Whether it is not the broker's own address: recorded days know no wall clock."""
        return bool(self.base_url) or self.clock == "Feed"


def read_account(body: Json) -> Account:
    """The account in an object of the API server."""
    meta: Json = body["metadata"]
    spec: Json = body.get("spec") or {}
    annotations: Json = meta.get("annotations") or {}
    return Account(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        generation=int(meta.get("generation", 1)),
        broker=str(spec.get("broker", "")),
        clock=cast("Literal['Wall', 'Feed']", spec.get("clock") or "Wall"),
        base_url=str(spec.get("baseUrl") or ""),
        feed_url=str(spec.get("feedUrl") or ""),
        egress_proxy=str(spec.get("egressProxy") or ""),
        registered_ip=str(spec.get("registeredIP") or ""),
        sealed_login=str(spec.get("sealedLogin") or ""),
        sealed_session=str(spec.get("sealedSession") or ""),
        sealed_callback=str(spec.get("sealedCallback") or ""),
        requested_us=_time(str(annotations.get(names.LOGIN_REQUESTED_ANNOTATION) or "")),
        is_leaving="deletionTimestamp" in meta,
        record=read_record(str(annotations.get(names.LOGIN_NOTE_ANNOTATION) or "")),
        status=body.get("status") or {},
    )


def address_problem(account: Account, allowed: frozenset[str]) -> str:
    """What is wrong with the account's own addresses, in a sentence without a password; empty:
    nothing. The operator judges by the same rules.
    """
    for field, url in (("baseUrl", account.base_url), ("feedUrl", account.feed_url)):
        if url and not is_listed(url, allowed):
            return (
                f"{field} names a host that the platform does not allow, so nothing is sent there. "
                "An administrator may add it to brokerUrlAllowlist."
            )
    problem = proxy_problem(account.egress_proxy, allowed) if account.egress_proxy else ""
    return problem and f"egressProxy {problem}, so nothing is sent through it."


def _record_id(text: str) -> str:
    try:
        return record_id_of(text) if text else ""
    except EnvelopeRefused:
        return UNREADABLE


def _time(text: str) -> int:
    try:
        return from_timestamp(text) if text else 0
    except ValueError:
        return 0
