"""Accounts' broker sessions: their envelopes are opened here and nowhere else in the operator.

A session leaves this module for the Secrets of live runners and feeds alone; everything else gets
its facts. What was opened is kept in memory until its envelope changes.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from algo_contract.envelope.format import Binding, EnvelopeRefused
from algo_contract.envelope.keys import PrivateKeys, UnusableKey, read_keys
from algo_contract.envelope.open import open_envelope
from algo_contract.messages.broker_session import read_session
from algo_kube.errors import Conflict
from algo_kube.fields import section
from algo_kube.resources import Json
from algo_service.logging import get_logger

from algo_operator.model.observed import LIVE_BROKERS, NO_SESSION, SessionState
from algo_operator.specs.secret import session_hash

log = get_logger(__name__)

_UNREADABLE: Final = SessionState(state="unreadable")


@dataclass(frozen=True, slots=True)
class _Opened:
    digest: bytes
    """Of the envelope and what it is bound to."""

    facts: SessionState
    text: str = field(repr=False)


class BrokerSessions:
    """The sessions of all accounts, by the account's UID."""

    def __init__(self, folder: Path | None) -> None:
        """Open nothing yet; without a folder of keys no session can be read."""
        self._folder = folder
        self._opened: dict[str, _Opened] = {}

    def keys(self) -> PrivateKeys | None:
        """The keys as they are now; None where there are none, which the log says."""
        if self._folder is None:
            return None
        try:
            return read_keys(self._folder)
        except UnusableKey as error:
            log.warning("session_keys_unusable", error=str(error))
            return None

    def look(self, account: Json, namespace_uid: str) -> SessionState:
        """What is known of an account's session.

        Args:
            account: the BrokerAccount.
            namespace_uid: of its namespace, from the API server: the envelope is bound to it.
        """
        meta, spec = account["metadata"], section(account, "spec")
        envelope, broker = str(spec.get("sealedSession") or ""), str(spec.get("broker"))
        uid = str(meta["uid"])
        if not envelope or broker not in LIVE_BROKERS:
            self.forget(uid)
            return NO_SESSION
        binding = Binding(
            namespace_uid=namespace_uid, account=meta["name"], broker=broker, purpose="session"
        )
        digest = hashlib.sha256(f"{namespace_uid}/{meta['name']}/{envelope}".encode()).digest()
        known = self._opened.get(uid)
        if known is None or known.digest != digest:
            known = self._open(envelope, binding, digest)
            if known is None:
                self.forget(uid)
                return _UNREADABLE
            self._opened[uid] = known
        return known.facts

    def text(self, account_uid: str, fingerprint: str) -> str:
        """The session's JSON, for a Secret only.

        Raises:
            Conflict: it is another one by now.
        """
        known = self._opened.get(account_uid)
        if known is None or known.facts.fingerprint != fingerprint:
            raise Conflict("the broker session changed meanwhile")
        return known.text

    def forget(self, account_uid: str) -> None:
        """Drop what was opened."""
        self._opened.pop(account_uid, None)

    def _open(self, envelope: str, binding: Binding, digest: bytes) -> _Opened | None:
        keys = self.keys()
        if keys is None:
            return None
        try:
            text = open_envelope(envelope, keys, binding).decode()
            session = read_session(text)
        except (EnvelopeRefused, ValueError):
            return None
        if session.broker != binding.broker:
            return None
        facts = SessionState(
            state="open",
            issued_us=session.issued_us,
            expires_us=session.expires_us,
            fingerprint=session_hash(text),
        )
        return _Opened(digest, facts, text)
