"""Sealing: with a public key, by anyone; what is sealed can be opened by its owner alone."""

import os
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from algo_contract.envelope.format import (
    KEY_BYTES,
    NONCE_BYTES,
    RECORD_LIMIT,
    Binding,
    Envelope,
    write_text,
)
from algo_contract.envelope.keys import PublicKey, UnusableKey

HPKE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
"""RFC 9180, base mode: under it a data key travels to whoever may open it."""


def seal(record: bytes, to: PublicKey, binding: Binding) -> str:
    """The record as an envelope's text, under a data key of its own.

    Raises:
        ValueError: the record is larger than an envelope can be.
        UnusableKey: nothing can be sealed to this key.
    """
    if len(record) > RECORD_LIMIT:
        raise ValueError(f"an envelope takes {RECORD_LIMIT} bytes at most; this is {len(record)}")
    data_key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
    body = AESGCM(data_key).encrypt(nonce, record, binding.associated_data(b"body"))
    return write_text(wrap(data_key, to, binding, nonce=nonce, body=body))


def wrap(
    data_key: bytes, to: PublicKey, binding: Binding, *, nonce: bytes, body: bytes
) -> Envelope:
    """An envelope around a body that is sealed already; for `seal` and for re-wrapping.

    Raises:
        UnusableKey: nothing can be sealed to this key.
    """
    bare = Envelope(key_id=to.id, wrapped=b"", nonce=nonce, body=body)
    info = binding.associated_data(b"data key") + bare.head
    try:
        wrapped = HPKE.encrypt(data_key, X25519PublicKey.from_public_bytes(to.raw), info)
    except ValueError:
        raise UnusableKey("nothing can be sealed to this public key: it agrees on no key") from None
    return replace(bare, wrapped=wrapped)
