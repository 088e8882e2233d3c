"""JSON of the messages between processes, by their dataclasses (msgspec): strict about types, and
deaf to fields it does not know, so that an older release reads what a newer one wrote.

A message's module names its format. A change that an older reader could misunderstand raises the
number; what has a higher one than this release knows is refused, not guessed at.
"""

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Codec(Generic[T]):
    """Writer and strict reader of one kind of message."""

    def __init__(self, kind: type[T], *, name: str, format: int = 1) -> None:  # noqa: A002 - its JSON name
        """`name` is the message's in errors; `format` its number in this release."""
        self._name = name
        self._format = format
        self._decoder = msgspec.json.Decoder(kind)
        self._format_of = msgspec.json.Decoder(_Head)

    def write(self, message: T) -> str:
        """Compact JSON."""
        head = f'{{"format":{self._format},'
        body = msgspec.json.encode(message).decode()
        return head + body[1:]

    def read(self, text: str | bytes) -> T:
        """The message.

        Raises:
            ValueError: it is none of this release; the message names the field, never its value.
        """
        try:
            found = self._format_of.decode(text).format
            if found > self._format:
                raise ValueError(
                    f"unreadable {self._name}: its format {found} is of a later release"
                )
            return self._decoder.decode(text)
        except msgspec.DecodeError as error:
            raise ValueError(f"unreadable {self._name}: {error}") from None


class _Head(msgspec.Struct):
    """What every message has; those of before there were formats are the first."""

    format: int = 1


def compact(value: Any) -> str:
    """Compact JSON of any value with dataclasses in it."""
    return msgspec.json.encode(value).decode()
