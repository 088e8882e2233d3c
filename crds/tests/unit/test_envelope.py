"""Envelopes: only the right key with the right binding opens one, whatever is done to it."""

import base64
import os
import re

import pytest
from algo_contract.envelope.keys import (
    PrivateKeys,
    PublicKey,
    UnusableKey,
    public_text,
    read_keys,
    read_private,
    read_public,
)
from algo_contract.envelope.format import (
    RECORD_LIMIT,
    TEXT_LIMIT,
    Binding,
    EnvelopeRefused,
    key_id_of,
    record_id_of,
)
from algo_contract.envelope.open import open_envelope, rewrap
from algo_contract.envelope.seal import seal
from algo_contract.v1alpha1 import BrokerAccountSpec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

HERE = Binding(
    namespace_uid="2b7c2c1e-7b1c-4f0e-9d0e-0a4f6a1b2c3d",
    account="my-zerodha",
    broker="zerodha",
    purpose="login",
)
SECRET = b'{"api_key":"k","api_secret":"very-secret"}'


def keys_of(*raw: bytes) -> PrivateKeys:
    found = [read_private(f"{number:04}", each) for number, each in enumerate(raw)]
    return PrivateKeys(found[-1], {key.public.id: key for key in found})


OLD, NEW = os.urandom(32), os.urandom(32)
KEYS = keys_of(OLD)
SEALED = seal(SECRET, KEYS.current.public, HERE)
RAW = base64.urlsafe_b64decode(SEALED + "=" * (-len(SEALED) % 4))


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_seal__then_open__gives_the_record():
    assert open_envelope(SEALED, KEYS, HERE) == SECRET


def test_seal__twice__shares_no_part():
    again = seal(SECRET, KEYS.current.public, HERE)

    one, two = (base64.urlsafe_b64decode(each + "==") for each in (SEALED, again))
    assert one[:5] == two[:5]  # version and key id
    shared = [at for at in range(5, len(one)) if one[at : at + 8] == two[at : at + 8]]
    assert not shared
    assert record_id_of(again) != record_id_of(SEALED)


def test_open__each_bit_flipped__refused():
    for at in range(len(RAW) * 8):
        raw = bytearray(RAW)
        raw[at // 8] ^= 1 << at % 8

        with pytest.raises(EnvelopeRefused):
            open_envelope(text_of(bytes(raw)), KEYS, HERE)


@settings(deadline=None)
@given(at=st.integers(0, len(SEALED) - 1), sign=st.characters(codec="utf-8"))
def test_open__any_character_changed__refused(at, sign):
    assume(SEALED[at] != sign)

    with pytest.raises(EnvelopeRefused):
        open_envelope(SEALED[:at] + sign + SEALED[at + 1 :], KEYS, HERE)


@settings(deadline=None)
@given(cut=st.integers(0, len(SEALED) - 1), more=st.text(min_size=1, max_size=9))
def test_open__cut_or_longer__refused(cut, more):
    for text in (SEALED[:cut], SEALED + more, more + SEALED):
        with pytest.raises(EnvelopeRefused):
            open_envelope(text, KEYS, HERE)


@settings(deadline=None)
@given(st.text(max_size=300) | st.binary(max_size=300).map(text_of))
def test_open__anything_else__refused(text):
    with pytest.raises(EnvelopeRefused):
        open_envelope(text, KEYS, HERE)


@pytest.mark.parametrize("size", [40, 41, 42])
def test_open__the_same_bytes_written_another_way__refused(size):
    sealed = seal(bytes(size), KEYS.current.public, HERE)
    spare = [sealed[:-1] + chr(ord(sealed[-1]) + 1)] if len(sealed) % 4 else []
    pad = "=" * (-len(sealed) % 4)

    for text in (*spare, sealed + "\n", sealed + "!", sealed + pad + "=", "\n" + sealed):
        with pytest.raises(EnvelopeRefused):
            open_envelope(text, KEYS, HERE)
    while "-" not in sealed:
        sealed = seal(bytes(size), KEYS.current.public, HERE)
    with pytest.raises(EnvelopeRefused):
        open_envelope(sealed.replace("-", "+"), KEYS, HERE)


def test_open__ephemeral_key_of_small_order__refused():
    with pytest.raises(EnvelopeRefused):
        open_envelope(text_of(RAW[:5] + bytes(32) + RAW[37:]), KEYS, HERE)


def test_open__longer_than_the_schema_allows__refused(monkeypatch):
    monkeypatch.setattr("algo_contract.envelope.seal.RECORD_LIMIT", RECORD_LIMIT + 1)
    sealed = seal(bytes(RECORD_LIMIT + 1), KEYS.current.public, HERE)

    with pytest.raises(EnvelopeRefused):
        open_envelope(sealed, KEYS, HERE)


def test_open__wrapped_to_a_key_that_is_not_the_named_one__refused():
    other = keys_of(NEW).current
    sealed = base64.urlsafe_b64decode(seal(SECRET, other.public, HERE) + "==")

    with pytest.raises(EnvelopeRefused):
        open_envelope(text_of(RAW[:5] + sealed[5:]), KEYS, HERE)


def test_open__a_data_key_moved_to_another_body__refused():
    other = base64.urlsafe_b64decode(seal(SECRET, KEYS.current.public, HERE) + "==")

    with pytest.raises(EnvelopeRefused):
        open_envelope(text_of(RAW[:85] + other[85:]), KEYS, HERE)


NAME = st.text(max_size=40)


@settings(deadline=None)
@given(namespace_uid=NAME, account=NAME, broker=NAME, purpose=NAME)
def test_open__another_binding__refused(namespace_uid, account, broker, purpose):
    mine = Binding(namespace_uid="ab", account="c", broker="d", purpose="login")
    other = Binding(
        namespace_uid=namespace_uid, account=account, broker=broker, purpose=purpose  # type: ignore[arg-type]
    )  # fmt: skip
    assume(other != mine)
    sealed = seal(SECRET, KEYS.current.public, mine)

    with pytest.raises(EnvelopeRefused):
        open_envelope(sealed, KEYS, other)
    with pytest.raises(EnvelopeRefused):
        rewrap(sealed, keys_of(OLD, NEW), other)


@pytest.mark.parametrize(
    "change",
    [
        {"namespace_uid": HERE.namespace_uid[:-1]},
        {"account": "my-zerodha2"},
        {"broker": "dhan"},
        {"purpose": "session"},
        {"purpose": "callback"},
        # The same letters, cut elsewhere.
        {"namespace_uid": HERE.namespace_uid + "m", "account": "y-zerodha"},
    ],
)
def test_open__one_part_of_the_binding_differs__refused(change):
    parts = {name: getattr(HERE, name) for name in Binding.__slots__} | change

    with pytest.raises(EnvelopeRefused):
        open_envelope(SEALED, KEYS, Binding(**parts))


def test_open__key_not_there__refused_with_the_same_sentence():
    told = set()
    for text, keys, binding in (
        (SEALED, keys_of(NEW), HERE),
        (SEALED[:-1] + "A", KEYS, HERE),
        ("", KEYS, HERE),
        (SEALED, KEYS, Binding(namespace_uid="", account="", broker="", purpose="login")),
    ):
        with pytest.raises(EnvelopeRefused) as refused:
            open_envelope(text, keys, binding)
        told.add(str(refused.value))

    assert len(told) == 1
    assert "seal it again" in told.pop()


def test_rewrap__under_an_old_key__is_under_the_current_one_with_the_same_body():
    both = keys_of(OLD, NEW)

    moved = rewrap(SEALED, both, HERE)

    assert key_id_of(moved) == both.current.public.id.hex() != key_id_of(SEALED)
    assert open_envelope(moved, keys_of(NEW), HERE) == SECRET
    assert record_id_of(moved) == record_id_of(SEALED)
    assert base64.urlsafe_b64decode(moved + "==")[85:] == RAW[85:]
    assert rewrap(moved, both, HERE) == moved


def test_rewrap__data_key_of_another_record__refused_when_opened():
    other = base64.urlsafe_b64decode(seal(b"x" * 42, KEYS.current.public, HERE) + "==")

    with pytest.raises(EnvelopeRefused):
        open_envelope(text_of(RAW[:85] + other[85:]), KEYS, HERE)


@settings(deadline=None)
@given(st.integers(0, RECORD_LIMIT))
def test_size__every_record_that_fits__fits_the_schema(size):
    sealed = seal(bytes(size), KEYS.current.public, HERE)

    assert len(sealed) <= TEXT_LIMIT
    assert re.fullmatch(r"[A-Za-z0-9_-]+", sealed)
    spec = BrokerAccountSpec.model_validate({"broker": "zerodha", "sealedLogin": sealed})
    assert spec.sealedLogin == sealed


def test_size__largest__fills_the_schemas_limit():
    assert len(seal(bytes(RECORD_LIMIT), KEYS.current.public, HERE)) == TEXT_LIMIT
    with pytest.raises(ValueError, match="bytes at most"):
        seal(bytes(RECORD_LIMIT + 1), KEYS.current.public, HERE)


def test_keys__folder__newest_name_is_current(tmp_path):
    for name in ("0001", "2027-01-01", ".hidden", "2027-01-01.pub"):
        (tmp_path / name).write_bytes(os.urandom(32) if "." not in name else b"no key")
    (tmp_path / "..data").mkdir()

    keys = read_keys(tmp_path)

    assert keys.current.name == "2027-01-01"
    assert {key.name for key in keys.by_id.values()} == {"0001", "2027-01-01"}


@pytest.mark.parametrize("content", [None, b"", bytes(31), bytes(33), b"\n" + bytes(32)])
def test_keys__unusable__said_without_the_key(tmp_path, content):
    if content is not None:
        (tmp_path / "0001").write_bytes(content)

    with pytest.raises(UnusableKey) as refused:
        read_keys(tmp_path)

    assert "holds no key" in str(refused.value) or "0001 must hold exactly 32" in str(refused.value)
    with pytest.raises(UnusableKey, match="cannot be read"):
        read_keys(tmp_path / "nowhere")


def test_keys__repr__holds_no_secret():
    secret = text_of(OLD)

    for shown in (repr(KEYS), str(KEYS.current), repr(KEYS.current)):
        assert secret not in shown
        assert repr(OLD) not in shown
        assert "X25519PrivateKey" not in shown


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32).map(PublicKey))
def test_public_key__as_text__reads_back(key):
    assert read_public(f" {public_text(key)}\n") == key


@pytest.mark.parametrize("text", ["", "abc", "A" * 42, "A" * 44, "A" * 42 + "B", "é" * 43])
def test_public_key__something_else__refused(text):
    with pytest.raises(UnusableKey):
        read_public(text)


def test_seal__to_a_key_of_small_order__refused():
    with pytest.raises(UnusableKey, match="agrees on no key"):
        seal(SECRET, PublicKey(bytes(32)), HERE)
