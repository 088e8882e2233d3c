"""Opens the account's sealed log-in and browser return; the only module here that does."""

from pathlib import Path

from algo_contract.envelope.format import Binding, EnvelopeRefused, Purpose
from algo_contract.envelope.keys import PrivateKeys, PublicKey, UnusableKey, public_text, read_keys
from algo_contract.envelope.open import open_envelope, rewrap
from algo_contract.envelope.payloads import UnusableRecord, read_callback, read_login
from algo_kube.errors import Misconfigured

from algo_login.account import Account


class EnvelopeUnreadable(Exception):
    """An envelope cannot be opened, or holds something else than it should."""


class CredentialStore:
    """Holds the private keys; the folder is read again whenever it is asked for its keys, so that a
    rotated key counts without a restart.
    """

    def __init__(self, folder: Path) -> None:
        """Reads nothing yet."""
        self._folder = folder

    def public(self) -> PublicKey:
        """What log-ins are sealed to now.

        Raises:
            Misconfigured: the keys cannot be used.
        """
        return self._keys().current.public

    def known(self) -> set[str]:
        """All public halves, as text: current and former."""
        return {public_text(key.public) for key in self._keys().by_id.values()}

    def login(self, account: Account, namespace_uid: str) -> dict[str, str]:
        """The account's secrets.

        Raises:
            Unreadable: not for this account, or not what its broker needs.
            Misconfigured: the keys cannot be used.
        """
        binding = _binding(account, namespace_uid, "login")
        try:
            record = open_envelope(account.sealed_login, self._keys(), binding)
            return read_login(account.broker, record)
        except (EnvelopeRefused, UnusableRecord):
            raise EnvelopeUnreadable from None

    def callback(self, account: Account, namespace_uid: str) -> dict[str, str]:
        """What its browser log-in returned. Errors as `login`."""
        binding = _binding(account, namespace_uid, "callback")
        try:
            record = open_envelope(account.sealed_callback, self._keys(), binding)
            return read_callback(account.broker, record)
        except (EnvelopeRefused, UnusableRecord):
            raise EnvelopeUnreadable from None

    def rewrapped(self, account: Account, namespace_uid: str) -> str:
        """The account's sealed log-in under the current key. Errors as `login`."""
        try:
            binding = _binding(account, namespace_uid, "login")
            return rewrap(account.sealed_login, self._keys(), binding)
        except EnvelopeRefused:
            raise EnvelopeUnreadable from None

    def _keys(self) -> PrivateKeys:
        try:
            return read_keys(self._folder)
        except UnusableKey as error:
            raise Misconfigured(str(error)) from None


def session_binding(account: Account, namespace_uid: str) -> Binding:
    """What the account's session is sealed for."""
    return _binding(account, namespace_uid, "session")


def _binding(account: Account, namespace_uid: str, purpose: Purpose) -> Binding:
    return Binding(
        namespace_uid=namespace_uid, account=account.name, broker=account.broker, purpose=purpose
    )
