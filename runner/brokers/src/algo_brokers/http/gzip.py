"""Undoes gzip piece by piece, within a bound."""

import zlib
from collections.abc import Iterator
from typing import Final

MAGIC: Final = b"\x1f\x8b"
PIECE: Final = 256 * 1024
"""Bytes handed on at once, at most."""


class BrokenFile(ValueError):
    """What came is not the whole file."""


class Inflater:
    """One file in pieces, whether it is gzip or plain: its first two bytes tell. A header does not
    say it well: brokers serve files that are gzip, with and without `Content-Encoding`.
    """

    def __init__(self, limit: int) -> None:
        """`limit` in bytes, unpacked."""
        self._left = limit
        self._head = b""
        self._unpacking: zlib._Decompress | None = None  # pyright: ignore[reportPrivateUsage]
        self._is_plain = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What a piece holds.

        Raises:
            BrokenFile: broken gzip, or larger than the limit.
        """
        if self._unpacking is None and not self._is_plain:
            piece = self._head = self._head + piece
            if len(piece) < len(MAGIC):
                return
            if piece.startswith(MAGIC):
                self._unpacking = zlib.decompressobj(wbits=31)
            self._is_plain = self._unpacking is None
        if self._unpacking is None:
            yield self._within(piece)
            return
        more = True
        while more:
            try:
                plain = self._unpacking.decompress(piece, PIECE)
            except zlib.error:
                raise BrokenFile("broken gzip") from None
            if self._unpacking.unused_data:
                raise BrokenFile("something follows the gzip file")
            piece = self._unpacking.unconsumed_tail
            more = bool(piece) or len(plain) == PIECE
            if plain:
                yield self._within(plain)

    def end(self) -> None:
        """The file is over.

        Raises:
            BrokenFile: it is not whole.
        """
        if self._unpacking is not None and not self._unpacking.eof:
            raise BrokenFile("the gzip file breaks off")
        if self._unpacking is None and not self._is_plain:
            raise BrokenFile("the file is empty")

    def _within(self, plain: bytes) -> bytes:
        self._left -= len(plain)
        if self._left < 0:
            raise BrokenFile("the file is too large")
        return plain
