"""`algo-seal`: seals secrets for one BrokerAccount, so that only the platform can open them.

Prints the envelope, or with --patch a merge patch for kubectl. What is wrong is said in words, with
exit code 2. It opens nothing.
"""

import argparse
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Final

from algo_contract.brokers import CALLBACK_FIELDS, LOGIN_FIELDS
from algo_contract.envelope import payloads
from algo_contract.envelope.format import KEY_BYTES, Binding, Purpose
from algo_contract.envelope.keys import (
    PublicKey,
    UnusableKey,
    public_text,
    read_private,
    read_public,
)
from algo_contract.envelope.payloads import UnusableRecord, read_fields
from algo_contract.envelope.seal import seal

_FIELD: Final[dict[Purpose, str]] = {"login": "sealedLogin", "callback": "sealedCallback"}
"""Where in a BrokerAccount's spec each envelope belongs."""

INPUT_LIMIT: Final = 16_384
"""Bytes taken from standard input or a key file."""

_NAMES: Final = {"namespace_uid": "namespace UID", "account": "account name"}


def main() -> None:
    """The command."""
    arguments = _parser().parse_args()
    try:
        sys.stdout.write(arguments.run(arguments))
    except (UnusableRecord, UnusableKey, _Refused) as error:
        sys.stderr.write(f"algo-seal: {error}\n")
        sys.exit(2)
    except (KeyboardInterrupt, EOFError):
        sys.stderr.write("\nalgo-seal: nothing was sealed\n")
        sys.exit(2)


class _Refused(Exception):
    """The command cannot do what it was asked for; says why."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="algo-seal", description="Seal secrets for one BrokerAccount.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    login = commands.add_parser(
        "login",
        help="seal what an account logs in with",
        description="Asks for the broker's fields without showing them, or reads them as one JSON "
        "object from standard input.",
        allow_abbrev=False,
    )
    login.set_defaults(run=_seal_login)
    callback = commands.add_parser(
        "callback",
        help="seal what a browser log-in returned",
        description="Asks for the address that the browser was sent back to, or the code in it.",
        allow_abbrev=False,
    )
    callback.set_defaults(run=_seal_callback)
    for command, brokers in ((login, LOGIN_FIELDS), (callback, CALLBACK_FIELDS)):
        command.add_argument("--broker", required=True, choices=sorted(brokers))
        command.add_argument(
            "--namespace-uid", required=True, help="metadata.uid of the account's namespace"
        )
        command.add_argument("--account", required=True, help="the BrokerAccount's name")
        command.add_argument(
            "--key", required=True, type=Path, help="file with the platform's login.pub"
        )
        command.add_argument(
            "--patch", action="store_true", help="print a merge patch for kubectl patch"
        )
    keygen = commands.add_parser(
        "keygen", help="make a key pair, for administrators", allow_abbrev=False
    )
    keygen.set_defaults(run=_make_key)
    keygen.add_argument("--out", required=True, type=Path, help="an existing folder")
    keygen.add_argument(
        "--name", required=True, help="the key's name; the newest key is the last by name"
    )
    return parser


def _seal_login(arguments: argparse.Namespace) -> str:
    key, binding = read_key_file(arguments.key), _binding(arguments, "login")
    fields = ask_fields(LOGIN_FIELDS[arguments.broker])
    record = payloads.login_record(arguments.broker, fields)
    return _written(seal(record, key, binding), "login", patch=arguments.patch)


def _seal_callback(arguments: argparse.Namespace) -> str:
    key, binding = read_key_file(arguments.key), _binding(arguments, "callback")
    returned = ask_text("address the browser was sent back to")
    record = payloads.callback_record(arguments.broker, returned)
    return _written(seal(record, key, binding), "callback", patch=arguments.patch)


def _binding(arguments: argparse.Namespace, purpose: Purpose) -> Binding:
    for name, words in _NAMES.items():
        value = str(getattr(arguments, name))
        if not value or len(value) > 253 or value != value.strip():
            raise _Refused(f"the {words} is missing: an envelope counts for one account only")
    return Binding(
        namespace_uid=arguments.namespace_uid,
        account=arguments.account,
        broker=arguments.broker,
        purpose=purpose,
    )


def _written(envelope: str, purpose: Purpose, *, patch: bool) -> str:
    if not patch:
        return envelope + "\n"
    return json.dumps({"spec": {_FIELD[purpose]: envelope}}) + "\n"


def _make_key(arguments: argparse.Namespace) -> str:
    name: str = arguments.name
    if not name or name.startswith(".") or name != Path(name).name or len(name) > 200:
        raise _Refused("the name must be a file's name that does not begin with a dot")
    raw = os.urandom(KEY_BYTES)
    public = public_text(read_private(name, raw).public) + "\n"
    secret: Path = arguments.out / name
    try:
        secret.touch(mode=0o600, exist_ok=False)
        secret.write_bytes(raw)
        secret.with_name(f"{name}.pub").write_text(public, encoding="ascii")
    except OSError as error:
        raise _Refused(f"{secret} cannot be written: {error.strerror}") from None
    return f"{secret}\n{secret}.pub\n"


def ask_fields(names: tuple[str, ...]) -> dict[str, str]:
    """The fields, asked for one by one, or as one JSON object from standard input.

    Raises:
        UnusableRecord: what came in is no such object.
    """
    if not sys.stdin.isatty():
        return read_fields(_piped())
    return {name: getpass.getpass(f"{name}: ") for name in names}


def ask_text(prompt: str) -> str:
    """One secret line.

    Raises:
        UnusableRecord: more than a line came in, or no text.
    """
    if sys.stdin.isatty():
        return getpass.getpass(f"{prompt}: ")
    try:
        text = _piped().decode()
    except UnicodeDecodeError:
        raise UnusableRecord("standard input is not text") from None
    if len(text.strip().splitlines()) != 1:
        raise UnusableRecord("one line is expected on standard input")
    return text


def read_key_file(path: Path) -> PublicKey:
    """The public key in a file.

    Raises:
        UnusableKey: there is none.
    """
    try:
        with path.open("rb") as file:
            return read_public(file.read(INPUT_LIMIT).decode("ascii", "replace"))
    except OSError as error:
        raise UnusableKey(f"{path} cannot be read: {error.strerror}") from None


def _piped() -> bytes:
    text = sys.stdin.buffer.read(INPUT_LIMIT + 1)
    if len(text) > INPUT_LIMIT:
        raise UnusableRecord(f"standard input holds more than {INPUT_LIMIT} bytes")
    return text
