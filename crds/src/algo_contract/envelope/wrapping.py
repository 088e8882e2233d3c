"""The key under which a data key travels: X25519 with an ephemeral key, HKDF-SHA256 over both
public keys.
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from algo_contract.envelope.layout import KEY_BYTES, NONCE_BYTES

NO_NONCE: Final = bytes(NONCE_BYTES)
"""A wrapping key encrypts one data key, ever: its ephemeral half is fresh each time."""


def wrapping_key(
    own: X25519PrivateKey, other: bytes, *, ephemeral: bytes, recipient: bytes
) -> bytes:
    """The key agreed on; both public keys go into it, so that no other pair gives the same.

    Raises:
        ValueError: the other key agrees on nothing (it is of small order).
    """
    shared = own.exchange(X25519PublicKey.from_public_bytes(other))
    info = b"algo-envelope v1 data key" + ephemeral + recipient
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(shared)
