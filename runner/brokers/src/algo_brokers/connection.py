"""One HTTP/1.1 connection: a request goes out in one write, its answer is parsed by llhttp.

Of our own, because what matters for an order is here: the moment before the write, whether a byte
may have left, and that an answer is never taken for another request's.
"""

import asyncio
import select
from collections import deque
from collections.abc import Mapping
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_HEAD: Final = 64 * 1024
HIGH_WATER: Final = 512 * 1024
"""Bytes of a body that wait for their reader before the other side is held up."""


class Broken(Exception):
    """No answer comes out of this connection any more; the message is of our own words."""


class Connection(asyncio.Protocol):
    """An open connection, or one that is no more. One request at a time."""

    def __init__(self) -> None:
        """Not open yet."""
        self._transport: asyncio.Transport | None = None
        self._lost: str | None = "it is not open"
        self._woken: asyncio.Future[None] | None = None
        self._clear()
        self._is_whole = True

    @property
    def is_reusable(self) -> bool:
        """Whether the answer is whole, and the connection stays open behind it."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and self._is_whole and self._stays_open

    @property
    def is_usable(self) -> bool:
        """Whether a request may go out: nothing has come that is not yet read, such as its end."""
        return self.is_reusable and not _has_unread(cast("asyncio.Transport", self._transport))

    def send(self, request: bytes) -> None:
        """Sends a request, without waiting.

        Raises:
            Broken: not a byte of it was sent.
        """
        if self._transport is None or not self.is_reusable:
            raise Broken(self._lost or "the connection is being closed")
        self._clear()
        self._transport.write(request)

    async def head(self) -> tuple[int, Mapping[str, str]]:
        """Status and headers (names in lower case) of the answer.

        Raises:
            Broken: none comes.
        """
        while not self._has_head:
            await self._change()
        return self._status, self._headers

    async def piece(self) -> bytes:
        """The next piece of the answer's body; b"" behind its end.

        Raises:
            Broken: the rest does not come.
        """
        while not self._pieces:
            if self._is_whole:
                return b""
            await self._change()
        piece = self._pieces.popleft()
        self._waiting -= len(piece)
        if self._is_paused and self._waiting <= HIGH_WATER:
            self._is_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return piece

    def close(self) -> None:
        """Closes at once; an answer under way is lost."""
        self._lose("it was closed by this process")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop; by whoever connected, behind TLS or a tunnel."""
        self._transport = cast("asyncio.Transport", transport)
        self._lost = None

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._is_whole:
            self._lose("something came that nobody had asked for")
            return
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if not self._is_whole:
                self._lose("what came is no HTTP answer")
            self._stays_open = False
        if not self._has_head and self._head_bytes > MAX_HEAD:
            self._lose(f"the answer's head is larger than {MAX_HEAD} bytes")
        self._hold_up()
        self._wake()

    def eof_received(self) -> None:
        """Called by the event loop. An answer without a length ends with its connection."""
        if self._has_head and self._ends_with_connection:
            self._is_whole = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._lose(
            f"the connection was lost ({type(exc).__name__})"
            if exc
            else "the connection was closed by the other side"
        )

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if not self._is_whole:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser. Answers below 200 only say that another follows."""
        self._status = self._parser.get_status_code()
        self._has_head = self._status >= 200
        self._ends_with_connection = not self._headers.keys() & FRAMES
        if not self._has_head:
            self._headers.clear()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if not self._is_whole:
            self._pieces.append(body)
            self._waiting += len(body)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self._is_whole:
            self._stays_open = False

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._has_head and not self._is_whole:
            self._is_whole = True
            self._stays_open = self._parser.should_keep_alive()

    def _clear(self) -> None:
        self._parser = HttpResponseParser(self)
        self._status = 0
        self._headers: dict[str, str] = {}
        self._pieces: deque[bytes] = deque()
        self._waiting = self._head_bytes = 0
        self._has_head = self._is_whole = self._is_paused = self._ends_with_connection = False
        self._stays_open = True

    def _hold_up(self) -> None:
        if self._waiting > HIGH_WATER and not self._is_paused:
            self._is_paused = True
            if self._transport is not None and not self._transport.is_closing():
                self._transport.pause_reading()

    async def _change(self) -> None:
        if self._lost is not None:
            raise Broken(self._lost)
        self._woken = asyncio.get_running_loop().create_future()
        await self._woken

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def _lose(self, why: str) -> None:
        if self._lost is None:
            self._lost = why
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._wake()


FRAMES: Final = {"content-length", "transfer-encoding"}


def _has_unread(transport: asyncio.Transport) -> bool:
    poller = select.poll()
    poller.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poller.poll(0))
