"""What `algo-seal` reads: secrets from the terminal without echo, or from standard input; never
from its arguments, which every process on the machine can see.
"""

import getpass
import sys
from pathlib import Path
from typing import Final

from algo_contract.envelope.keys import PublicKey, UnusableKey, read_public
from algo_contract.envelope.records import UnusableRecord, read_fields

INPUT_LIMIT: Final = 16_384
"""Bytes taken from standard input or a key file."""


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
