"""Keys: public ones as text, private ones from a folder.

Whoever owns a private key publishes its public half in the ConfigMap `algo-seal-keys` of the
platform's namespace: the log-in worker as `login.pub`, the operator as `session.pub`, each with
`public_text(read_keys(folder).current.public)` at its start and whenever the folder changes.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from algo_contract.envelope.format import KEY_BYTES

SEAL_KEYS: Final = "algo-seal-keys"
"""The ConfigMap with the public keys, in the platform's namespace."""

LOGIN_PUBLIC: Final = "login.pub"
SESSION_PUBLIC: Final = "session.pub"
_FILE_LIMIT: Final = 1024


class UnusableKey(ValueError):
    """A key, or a folder of keys, cannot be used; the message never holds the key."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Seals, and opens nothing."""

    raw: bytes

    @property
    def id(self) -> bytes:
        """The first 4 bytes of its SHA-256; people see them as 8 hexadecimal digits."""
        return hashlib.sha256(self.raw).digest()[:4]


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Opens what was sealed to its public half. Its repr holds only that."""

    name: str
    public: PublicKey
    secret: X25519PrivateKey = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class PrivateKeys:
    """All keys that may still open something."""

    current: PrivateKey
    """The one of the newest name: what is sealed now is sealed to its public half."""

    by_id: dict[bytes, PrivateKey]


def public_text(key: PublicKey) -> str:
    """The key as in a .pub file: 43 characters of base64url."""
    return base64.urlsafe_b64encode(key.raw).rstrip(b"=").decode("ascii")


def read_public(text: str) -> PublicKey:
    """A key from the text of a .pub file.

    Raises:
        UnusableKey: it is none.
    """
    try:
        stripped = text.strip()
        raw = base64.urlsafe_b64decode(stripped + "=" * (-len(stripped) % 4))
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != KEY_BYTES or public_text(PublicKey(raw)) != text.strip():
        raise UnusableKey(
            "this is no public key: 43 letters, digits, - and _ are expected, as in login.pub"
        )
    X25519PublicKey.from_public_bytes(raw)
    return PublicKey(raw)


def read_private(name: str, raw: bytes) -> PrivateKey:
    """A key from the 32 bytes of its file.

    Raises:
        UnusableKey: they are not 32.
    """
    if len(raw) != KEY_BYTES:
        raise UnusableKey(f"the key file {name} must hold exactly {KEY_BYTES} random bytes")
    secret = X25519PrivateKey.from_private_bytes(raw)
    return PrivateKey(name, PublicKey(secret.public_key().public_bytes_raw()), secret)


def read_keys(folder: Path) -> PrivateKeys:
    """The keys in a folder, one a file of 32 random bytes; .pub and hidden files are passed over.

    Raises:
        UnusableKey: there is none, or one cannot be used.
    """
    try:
        files = [
            file
            for file in folder.iterdir()
            if not file.name.startswith(".") and file.suffix != ".pub"
        ]
        found = {file.name: _bounded(file) for file in files if file.is_file()}
    except OSError as error:
        raise UnusableKey(f"the key folder {folder} cannot be read: {error.strerror}") from None
    keys = [read_private(name, raw) for name, raw in sorted(found.items())]
    if not keys:
        raise UnusableKey(f"the key folder {folder} holds no key")
    return PrivateKeys(keys[-1], {key.public.id: key for key in keys})


def _bounded(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_FILE_LIMIT)
