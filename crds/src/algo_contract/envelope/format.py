"""The bytes of an envelope, its text, and what it is bound to. Holds no key.

| bytes | what |
|---|---|
| 1 | version, 2 |
| 4 | key id: the first bytes of the public key's SHA-256 |
| 80 | data key under HPKE (RFC 9180): ephemeral X25519 key, then the encrypted key with its tag |
| 12 | nonce of the body |
| n + 16 | body under AES-256-GCM with the data key |

As text it is base64url without padding. Everything is authenticated: the body with the binding, the
data key with the binding and the bytes before it. Version 1 wrapped the key by hand; it was never
released and is not read.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final, Literal

Purpose = Literal["login", "session", "callback"]
"""`login`: what an account logs in with; `callback`: what its browser log-in returned; both are
sealed to the log-in worker. `session`: the broker's tokens, sealed to the operator."""

VERSION: Final = 2
TEXT_LIMIT: Final = 16_384
"""Characters: what the BrokerAccount's schema takes."""

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_ID_BYTES: Final = 4
_WRAPPED_BYTES: Final = 32 + KEY_BYTES + 16
_HEAD_BYTES: Final = 1 + _ID_BYTES
_BODY_AT: Final = _HEAD_BYTES + _WRAPPED_BYTES + NONCE_BYTES
RECORD_LIMIT: Final = TEXT_LIMIT * 3 // 4 - _BODY_AT - 16
"""Bytes that fit into an envelope."""


class EnvelopeRefused(Exception):
    """The envelope cannot be opened. Why is not told apart: a forger must learn nothing."""

    def __init__(self) -> None:
        """One sentence for every case."""
        super().__init__(
            "the envelope cannot be opened: it was sealed for another account or with another key, "
            "or it was changed; seal it again"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where an envelope counts: nowhere else can it be opened. From metadata, never from a spec."""

    namespace_uid: str
    account: str
    """The BrokerAccount's name."""

    broker: str
    purpose: Purpose

    def associated_data(self, part: bytes) -> bytes:
        """What is authenticated beside the ciphertext; every part after its own length, so that
        none can run into the next.
        """
        texts = (self.namespace_uid, self.account, self.broker, self.purpose)
        parts = [b"algo-envelope", part, *(text.encode() for text in texts)]
        return b"".join(len(each).to_bytes(4, "big") + each for each in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An envelope's parts, all still sealed."""

    key_id: bytes
    wrapped: bytes
    """The data key under HPKE."""

    nonce: bytes
    body: bytes

    @property
    def head(self) -> bytes:
        """What comes before the data key."""
        return bytes([VERSION]) + self.key_id


def write_text(envelope: Envelope) -> str:
    """The envelope as text."""
    raw = envelope.head + envelope.wrapped + envelope.nonce + envelope.body
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def read_text(text: str) -> Envelope:
    """The parts of an envelope.

    Raises:
        EnvelopeRefused: not an envelope of this version, or not written the one way it can be.
    """
    if len(text) > TEXT_LIMIT:
        raise EnvelopeRefused
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raise EnvelopeRefused from None
    if len(raw) < _BODY_AT + 16 or raw[0] != VERSION:
        raise EnvelopeRefused
    head, wrapped = raw[:_HEAD_BYTES], raw[_HEAD_BYTES : _HEAD_BYTES + _WRAPPED_BYTES]
    envelope = Envelope(
        key_id=head[1:],
        wrapped=wrapped,
        nonce=raw[_HEAD_BYTES + _WRAPPED_BYTES : _BODY_AT],
        body=raw[_BODY_AT:],
    )
    # The decoder passes over foreign characters and spare bits: a record has one text only.
    if write_text(envelope) != text:
        raise EnvelopeRefused
    return envelope


def record_id_of(text: str) -> str:
    """What names the sealed record: re-wrapping leaves it, sealing the same again does not.

    Raises:
        EnvelopeRefused: not an envelope.
    """
    envelope = read_text(text)
    return hashlib.sha256(envelope.nonce + envelope.body).hexdigest()[:16]


def key_id_of(text: str) -> str:
    """The id of the key that an envelope was sealed to, 8 hexadecimal digits.

    Raises:
        EnvelopeRefused: not an envelope.
    """
    return read_text(text).key_id.hex()
