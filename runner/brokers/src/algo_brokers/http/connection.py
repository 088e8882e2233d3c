"""One HTTP/1.1 connection: a request goes out in one write, its answer is parsed by llhttp.

Of our own, because what matters for an order is here: the moment before the write, whether a byte
may have left, and that an answer is never taken for another request's.
"""

import asyncio
import select
from collections.abc import Awaitable, Mapping
from typing import Final, TypeVar, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_HEAD: Final = 64 * 1024
"""Bytes without a byte of body among them: of a head, of what only announces it, of trailers."""

HIGH_WATER: Final = 256 * 1024
"""Bytes of a body that wait for their reader before the other side is held up."""

STRAY: Final = {408, 429}
"""What a gateway may say of itself on a connection that idles, as any 5xx: the answer to the
request that met it on its way would be read as the next one's.
"""

FRAMES: Final = {"content-length", "transfer-encoding"}

_T = TypeVar("_T")


class ConnectionBroken(Exception):
    """No answer comes out of this connection any more; the message is of our own words."""


class NotSent(ConnectionBroken):
    """Not a byte of the request left."""


class IncomingResponse:
    """What comes back to one request, as the parser finds it."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        """What of it nobody has taken yet."""

        self.has_head = self.is_whole = self.keeps_open = False
        self._bare_bytes = 0
        self._parser = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Takes over the next bytes.

        Raises:
            Broken: they are no HTTP answer, or one without bounds.
        """
        waiting = len(self.body)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.keeps_open = False
            if self.is_whole:
                return
            raise ConnectionBroken("what came is no HTTP answer") from error
        self._bare_bytes = 0 if len(self.body) > waiting else self._bare_bytes + len(data)
        if self._bare_bytes > MAX_HEAD:
            raise ConnectionBroken(f"the answer has more than {MAX_HEAD} bytes of headers")

    def end(self) -> None:
        """The connection has ended, and with it an answer that told no length. Whether it was cut
        off nobody can tell: whoever reads it has to.
        """
        if self.has_head and not self.headers.keys() & FRAMES:
            self.is_whole = True

    def on_message_begin(self) -> None:
        """Called by the parser: a second answer in the same bytes ends the parsing."""
        if self.is_whole:
            raise ValueError("nobody asked for another answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, for trailers too; those are left out."""
        if not self.has_head:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser. Answers below 200 only say that another follows."""
        self.status = self._parser.get_status_code()
        self.has_head = self.status >= 200
        if not self.has_head:
            self.headers.clear()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self.body += body

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self.has_head:
            self.is_whole = True
            is_stray = self.status in STRAY or self.status >= 500
            self.keeps_open = self._parser.should_keep_alive() and not is_stray


class Connection(asyncio.Protocol):
    """An open connection, or one that is no more. One request at a time."""

    def __init__(self) -> None:
        """Not open yet."""
        self.idle_since = 0.0
        """Monotonic seconds; kept by whoever lends it out."""

        self._transport: asyncio.Transport | None = None
        self._wire: asyncio.Transport | None = None
        self._lost: str | None = None
        self._answer: IncomingResponse | None = None
        self._is_paused = False
        self._woken: asyncio.Future[None] | None = None

    @property
    def is_clean(self) -> bool:
        """Whether it is open, and every answer was read to its end."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and self._lost is None and self._answer is None

    def is_ready(self) -> bool:
        """Whether a request may go out: clean, and nothing has come that the event loop has not
        read yet, such as the connection's end.
        """
        if self._transport is None or not self.is_clean:
            return False
        poller = select.poll()
        poller.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poller.poll(0)

    def send(self, request: bytes) -> None:
        """Sends a request, without waiting.

        Raises:
            NotSent: the connection is not clean.
        """
        if self._transport is None or not self.is_clean:
            raise NotSent(self._lost or "the connection is being closed")
        self._answer = IncomingResponse()
        self._transport.write(request)

    async def head(self) -> tuple[int, Mapping[str, str]]:
        """Status and headers (names in lower case) of the answer.

        Raises:
            Broken: none comes.
        """
        answer = self._asked()
        while not answer.has_head:
            await self._change()
        return answer.status, answer.headers

    async def piece(self) -> bytes:
        """What has come of the answer's body, or what comes next; b"" behind its end.

        Raises:
            Broken: the rest does not come.
        """
        answer = self._asked()
        while not answer.body:
            if answer.is_whole:
                self._answer = None
                if not answer.keeps_open:
                    self.close()
                return b""
            await self._change()
        piece = bytes(answer.body)
        answer.body.clear()
        self._read_on()
        return piece

    def close(self) -> None:
        """Closes at once; an answer under way is lost."""
        self._lose("it was closed by this process")

    def connection_made(
        self, transport: asyncio.BaseTransport, wire: asyncio.Transport | None = None
    ) -> None:
        """Called by the event loop, or by whoever put TLS over `wire`."""
        self._transport = cast("asyncio.Transport", transport)
        self._wire = wire or self._transport
        if self._lost is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._answer is None or self._answer.is_whole:
            self._lose("something came that nobody had asked for")
            return
        try:
            self._answer.feed(data)
        except ConnectionBroken as error:
            self._lose(str(error))
        if len(self._answer.body) > HIGH_WATER:
            self._hold_up()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if exc is None and self._lost is None and self._answer is not None:
            self._answer.end()
        self._lose(
            f"the connection was lost ({type(exc).__name__})"
            if exc
            else "the connection was closed by the other side"
        )

    def _asked(self) -> IncomingResponse:
        assert self._answer is not None, "nothing was asked"
        return self._answer

    async def _change(self) -> None:
        if self._lost is not None:
            raise ConnectionBroken(self._lost)
        self._woken = asyncio.get_running_loop().create_future()
        await self._woken

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def _hold_up(self) -> None:
        """On the wire itself: uvloop's TLS forgets what it holds when a connection that is paused
        above it ends.
        """
        if not self._is_paused and self._wire is not None and not self._wire.is_closing():
            self._is_paused = True
            self._wire.pause_reading()

    def _read_on(self) -> None:
        if self._is_paused and self._wire is not None and not self._wire.is_closing():
            self._is_paused = False
            self._wire.resume_reading()

    def _lose(self, why: str) -> None:
        if self._lost is None:
            self._lost = why
        if self._transport is not None:
            self._transport.abort()
        self._wake()


async def within(seconds: float, step: Awaitable[_T], failure: str) -> _T:
    """What a step comes to, in time.

    Raises:
        Broken: it did not come in time.
    """
    try:
        async with asyncio.timeout(seconds):
            return await step
    except TimeoutError:
        raise ConnectionBroken(f"{failure} within {seconds:g} s") from None
