"""`algo-seal` as people run it: secrets by terminal or standard input, errors in words."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from algo_contract.envelope import payloads
from algo_contract.envelope.keys import PrivateKeys, public_text, read_keys, read_private
from algo_contract.envelope.format import Binding, Purpose
from algo_contract.envelope.open import open_envelope
from algo_contract.envelope.cli import INPUT_LIMIT
from hypothesis import given, settings
from hypothesis import strategies as st

SEAL = Path(sys.executable).with_name("algo-seal")
DHAN = {"client_id": "1100000001", "pin": "123456", "totp_seed": "JBSWY3DPEHPK3PXP"}
KITE = {"api_key": "simkey", "api_secret": "simsecret", "user_id": "SIM001"}


@pytest.fixture
def key(tmp_path) -> PrivateKeys:
    own = read_private("0001", os.urandom(32))
    (tmp_path / "login.pub").write_text(public_text(own.public) + "\n")
    return PrivateKeys(own, {own.public.id: own})


def run(folder: Path, *words: str, typed: str | bytes = "") -> subprocess.CompletedProcess[bytes]:
    data = typed.encode() if isinstance(typed, str) else typed
    return subprocess.run(
        [SEAL, *words], input=data, capture_output=True, cwd=folder, check=False, timeout=30
    )


def words(command: str, broker: str, *more: str) -> tuple[str, ...]:
    where = ("--namespace-uid", "uid-1", "--account", "mine", "--key", "login.pub")
    return (command, "--broker", broker, *where, *more)


def binding(broker: str, purpose: Purpose) -> Binding:
    return Binding(namespace_uid="uid-1", account="mine", broker=broker, purpose=purpose)


@pytest.mark.parametrize(("broker", "fields"), [("dhan", DHAN), ("zerodha", KITE)])
def test_login__json_on_standard_input__sealed(tmp_path, key, broker, fields):
    done = run(tmp_path, *words("login", broker), typed=json.dumps(fields))

    assert done.returncode == 0, done.stderr
    record = open_envelope(done.stdout.decode().strip(), key, binding(broker, "login"))
    assert payloads.read_login(broker, record) == fields
    for value in fields.values():
        assert value.encode() not in done.stdout + done.stderr


def test_login__patch__is_what_kubectl_takes(tmp_path, key):
    done = run(tmp_path, *words("login", "dhan", "--patch"), typed=json.dumps(DHAN))

    sealed = json.loads(done.stdout)["spec"]["sealedLogin"]
    record = open_envelope(sealed, key, binding("dhan", "login"))
    assert payloads.read_login("dhan", record) == DHAN


def test_login__at_a_terminal__asks_without_echo(tmp_path, key):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(SEAL, [str(SEAL), *words("login", "dhan")])
    shown = b""
    for name, value in DHAN.items():
        while f"{name}: ".encode() not in shown:
            shown += os.read(terminal, 1024)
        os.write(terminal, value.encode() + b"\n")
    try:
        while more := os.read(terminal, 1024):
            shown += more
    except OSError:  # Linux: the other end has closed
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    for value in DHAN.values():
        assert value.encode() not in shown
    record = open_envelope(shown.decode().split()[-1], key, binding("dhan", "login"))
    assert payloads.read_login("dhan", record) == DHAN


@pytest.mark.parametrize(
    "returned",
    [
        "https://app.example/kite?action=login&status=success&request_token=abc123XYZ",
        "request_token=abc123XYZ",
        "?request_token=abc123XYZ&x=1",
        "  abc123XYZ\n",
    ],
)
def test_callback__address_or_code__sealed_for_the_log_in_worker(tmp_path, key, returned):
    done = run(tmp_path, *words("callback", "zerodha", "--patch"), typed=returned)

    assert done.returncode == 0, done.stderr
    sealed = json.loads(done.stdout)["spec"]["sealedCallback"]
    record = open_envelope(sealed, key, binding("zerodha", "callback"))
    assert payloads.read_callback("zerodha", record) == {"request_token": "abc123XYZ"}


@pytest.mark.parametrize(
    ("command", "typed", "told"),
    [
        (words("login", "dhan"), json.dumps(DHAN | {"pin": ""}), "pin is missing"),
        (words("login", "dhan"), json.dumps(DHAN | {"pan": "x"}), "'pan' is not asked for"),
        (words("login", "dhan"), json.dumps(DHAN | {"pin": 123456}), "must be text"),
        (words("login", "dhan"), json.dumps(DHAN | {"totp_seed": "s3cret!1"}), "not base32"),
        (words("login", "dhan"), json.dumps(DHAN | {"pin": "12 34"}), "without blanks"),
        (words("login", "dhan"), json.dumps(DHAN | {"pin": "9" * 513}), "up to 512"),
        (words("login", "dhan"), "[]", "not a JSON object"),
        (words("login", "dhan"), b"\xff\xfe", "not a JSON object"),
        (words("login", "dhan"), "[" * 9000, "not a JSON object"),
        (words("login", "dhan"), "x" * (INPUT_LIMIT + 1), "more than"),
        (words("callback", "zerodha"), "https://a.example/?status=success", "no request_token"),
        (words("callback", "zerodha"), "https://a.example/?status=failed", "did not succeed"),
        (words("callback", "zerodha"), "one\ntwo", "one line"),
        (words("callback", "zerodha"), b"\xff", "not text"),
        (words("login", "zerodha", "--account", ""), json.dumps(KITE), "account name is missing"),
        (words("login", "zerodha", "--key", "nowhere"), json.dumps(KITE), "cannot be read"),
        (words("login", "zerodha", "--key", "/dev/null"), json.dumps(KITE), "no public key"),
        (words("callback", "dhan"), "x", "invalid choice"),
        (("login", "--pin", "123456"), "", "required"),
        ((), "", "required"),
    ],
)
def test_wrong__input__exit_2_in_words_without_a_value(tmp_path, key, command, typed, told):
    done = run(tmp_path, *command, typed=typed)

    assert (done.returncode, done.stdout) == (2, b"")
    assert told in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    for value in ("123456", "9" * 513, "s3cret!1", "simsecret", "JBSWY3DPEHPK3PXP"):
        assert value.encode() not in done.stderr


def test_keygen__makes_a_pair_that_opens(tmp_path):
    done = run(tmp_path, "keygen", "--out", ".", "--name", "2027-01-01")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "2027-01-01").stat().st_mode & 0o777 == 0o600
    (tmp_path / "login.pub").write_text((tmp_path / "2027-01-01.pub").read_text())
    sealed = run(tmp_path, *words("login", "dhan"), typed=json.dumps(DHAN)).stdout.decode().strip()
    (tmp_path / "login.pub").unlink()
    record = open_envelope(sealed, read_keys(tmp_path), binding("dhan", "login"))
    assert json.loads(record) == DHAN


@pytest.mark.parametrize("name", ["", ".x", "a/b", "there"])
def test_keygen__bad_or_taken_name__refused(tmp_path, name):
    (tmp_path / "there").write_text("kept")

    done = run(tmp_path, "keygen", "--out", ".", "--name", name)

    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert (tmp_path / "there").read_text() == "kept"


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_records__anything__is_read_or_refused_in_words(record):
    for broker in ("dhan", "zerodha", "fyers"):
        for read in (payloads.read_login, payloads.read_callback):
            with pytest.raises(payloads.UnusableRecord):
                read(broker, record)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_callback__anything_pasted__is_a_token_or_refused_in_words(returned):
    try:
        record = payloads.callback_record("zerodha", returned)
    except payloads.UnusableRecord:
        return
    assert list(payloads.read_callback("zerodha", record)) == ["request_token"]
