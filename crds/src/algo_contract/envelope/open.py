"""Opening: with the private key and the binding. Only the log-in worker (purposes `login` and
`callback`) and the operator (`session`) import this.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from algo_contract.envelope.format import Binding, Envelope, EnvelopeRefused, read_text, write_text
from algo_contract.envelope.keys import PrivateKeys
from algo_contract.envelope.seal import HPKE, wrap


def open_envelope(text: str, keys: PrivateKeys, binding: Binding) -> bytes:
    """The record in an envelope.

    Raises:
        EnvelopeRefused: sealed to a key that is not among `keys`, for another binding, or changed.
    """
    envelope = read_text(text)
    data_key = _data_key(envelope, keys, binding)
    try:
        return AESGCM(data_key).decrypt(
            envelope.nonce, envelope.body, binding.associated_data(b"body")
        )
    except InvalidTag:
        raise EnvelopeRefused from None


def rewrap(text: str, keys: PrivateKeys, binding: Binding) -> str:
    """The same body with its data key wrapped to the current key; the text itself where it is.

    Raises:
        EnvelopeRefused: as `open_envelope`, but for the body, which is not touched.
    """
    envelope = read_text(text)
    if envelope.key_id == keys.current.public.id:
        return text
    data_key = _data_key(envelope, keys, binding)
    to, nonce, body = keys.current.public, envelope.nonce, envelope.body
    return write_text(wrap(data_key, to, binding, nonce=nonce, body=body))


def _data_key(envelope: Envelope, keys: PrivateKeys, binding: Binding) -> bytes:
    key = keys.by_id.get(envelope.key_id)
    if key is None:
        raise EnvelopeRefused
    info = binding.associated_data(b"data key") + envelope.head
    try:
        return HPKE.decrypt(envelope.wrapped, key.secret, info)
    except (InvalidTag, ValueError):
        raise EnvelopeRefused from None
