"""What one process remembers of an account, and may forget: sessions to renew, failures to wait
after, when to look at the address again. By the account's UID.
"""

import time
from dataclasses import dataclass, field
from typing import Final

from algo_contract.messages.broker_session import BrokerSession

from algo_login.account import Account

FIRST_WAIT_SECONDS: Final = 30.0
LONGEST_WAIT_SECONDS: Final = 900.0
OBSERVE_SECONDS: Final = 900.0
OBSERVE_AGAIN_SECONDS: Final = 60.0
"""After a look that told nothing."""


@dataclass(slots=True)
class FailureState:
    """Failures in a row that pass by themselves."""

    about: tuple[str, ...]
    count: int
    until: float
    sentence: str


@dataclass(slots=True)
class RetryState:
    """Bounded by the accounts there are: `forget` drops what is gone."""

    spacing_seconds: float = 10.0
    """Between two questions about one account, whatever its owner changes meanwhile: nobody shall
    try PINs through the platform."""

    asked: dict[str, float] = field(default_factory=dict[str, float])
    """When a broker was last asked (monotonic)."""

    held: dict[str, tuple[str, BrokerSession]] = field(
        default_factory=dict[str, tuple[str, BrokerSession]]
    )
    """Sessions made by this process, with their envelope's record id."""

    unsaved: dict[str, tuple[str, BrokerSession]] = field(
        default_factory=dict[str, tuple[str, BrokerSession]]
    )
    """Sessions that could not be written down yet, with their log-in's record id: a browser's
    return is good for one only."""

    refusals: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Refused log-ins and the broker's words, should the note about one not be written at once."""

    failures: dict[str, FailureState] = field(default_factory=dict[str, FailureState])
    observed: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    """The proxy asked through, and when to look again (monotonic)."""

    def too_soon(self, account: Account) -> float:
        """Seconds until the account's broker may be asked again; 0 for now."""
        last = self.asked.get(account.uid)
        return 0.0 if last is None else max(last + self.spacing_seconds - time.monotonic(), 0.0)

    def session(self, account: Account) -> BrokerSession | None:
        """The account's session, where this process made it."""
        known = self.held.get(account.uid)
        return known[1] if known is not None and known[0] == account.session_id else None

    def waiting(self, account: Account, *, now_us: int) -> BrokerSession | None:
        """A session of the log-in as it is now, made and not written down yet."""
        known = self.unsaved.get(account.uid)
        if known is None or known[0] != account.login_id or known[1].expires_us <= now_us:
            return None
        return known[1]

    def saved(self, account: Account, session: BrokerSession) -> None:
        """The session is on the account as it is now; failures before it count no more."""
        self.held[account.uid] = (account.session_id, session)
        for each in (self.unsaved, self.failures, self.observed):
            each.pop(account.uid, None)

    def refusal(self, account: Account) -> str:
        """The broker's words, where this process saw the log-in as it is now refused."""
        login_id, words = self.refusals.get(account.uid, ("", ""))
        return words if login_id == account.login_id else ""

    def failure(self, account: Account) -> FailureState | None:
        """The failure that must be waited after now; new secrets or a new way end the wait."""
        known = self.failures.get(account.uid)
        if known is None or known.about != _about(account) or time.monotonic() >= known.until:
            return None
        return known

    def failed(self, account: Account, sentence: str, *, at_least: float) -> FailureState:
        """Note a failure: each waits twice as long as the one before."""
        known = self.failures.get(account.uid)
        count = known.count + 1 if known is not None and known.about == _about(account) else 1
        wait = min(FIRST_WAIT_SECONDS * 2 ** min(count - 1, 10), LONGEST_WAIT_SECONDS)
        until = time.monotonic() + max(wait, at_least)
        self.failures[account.uid] = FailureState(_about(account), count, until, sentence)
        return self.failures[account.uid]

    def wants_look(self, account: Account) -> bool:
        """Whether the address should be observed again: after a while, or by another way."""
        known = self.observed.get(account.uid)
        return known is None or known[0] != account.egress_proxy or time.monotonic() >= known[1]

    def looked(self, account: Account, *, is_known: bool) -> None:
        """Note that the address was looked at, and whether it was told."""
        wait = OBSERVE_SECONDS if is_known else OBSERVE_AGAIN_SECONDS
        self.observed[account.uid] = (account.egress_proxy, time.monotonic() + wait)

    def forget(self, uid: str) -> None:
        """An account is gone."""
        for each in (
            *(self.asked, self.held, self.unsaved),
            *(self.refusals, self.failures, self.observed),
        ):
            each.pop(uid, None)


def _about(account: Account) -> tuple[str, ...]:
    return (account.login_id, account.callback_id, account.base_url, account.egress_proxy)
