"""One connection to one Redis server: RESP3, pipelines, a deadline on every call.

Commands are answered in the order they were sent, so calls of several tasks may share a
connection; a blocking command holds up all others and needs a connection of its own.
It does not reconnect by itself: see `reconnect`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from algo_contract.messages.redis_server import RedisServer
from hiredis import HiredisError, PushNotification, Reader
from hiredis import pack_command as _untyped_pack_command  # pyright: ignore[reportUnknownVariableType]

from algo_redis.errors import RedisRefused, RedisUnavailable, refusal

Argument = str | bytes | int
Command = tuple[Argument, ...]
Reply = Any
"""str (bytes where the connection does not decode), int, float, bool, None, list, dict; a set
comes as a list."""

DEADLINE_SECONDS: Final = 5.0
_pack = cast("Callable[[Command], bytes]", _untyped_pack_command)
_INCOMPLETE: Final = object()


class _Batch:
    """A pipeline whose replies are awaited."""

    __slots__ = ("replied", "replies", "size")

    def __init__(self, size: int, replied: "asyncio.Future[list[Reply]]") -> None:
        self.size = size
        self.replied = replied
        self.replies: list[Reply] = []


class Connection(asyncio.Protocol):
    """An open connection; made by `connect`."""

    def __init__(self, server: RedisServer, *, decode: bool, deadline: float) -> None:
        """Not open yet."""
        self._address: Final = f"{server.host}:{server.port}"
        self._deadline: Final = deadline
        self._reader: Final = Reader(
            protocolError=HiredisError,
            replyError=refusal,
            encoding="utf-8" if decode else None,
            errors="replace",
            notEnoughData=_INCOMPLETE,
        )
        self._batches: Final = deque[_Batch]()
        self._transport: asyncio.Transport | None = None
        self._lost: str | None = "not connected"

    def __repr__(self) -> str:
        """The server and whether the connection is open."""
        return f"<Connection {self._address} {self._lost or 'open'}>"

    @property
    def is_open(self) -> bool:
        """False once the connection was lost or closed; it never opens again."""
        return self._lost is None

    async def call(self, *command: Argument, deadline: float | None = None) -> Reply:
        """The reply to one command.

        Args:
            command: the command's words.
            deadline: seconds to wait for the reply; the connection's default where None. When it
                passes the connection is closed.

        Raises:
            RedisUnavailable: no reply; whether the command was carried out is unknown.
            RedisRefused: the server answered with an error.
        """
        return (await self.execute(command, deadline=deadline))[0]

    async def execute(self, *commands: Command, deadline: float | None = None) -> list[Reply]:
        """The replies to a pipeline: sent in one write, answered in order, not a transaction.

        Raises:
            RedisUnavailable: not all replies came; which commands were carried out is unknown.
            RedisRefused: of the first command refused; the others were carried out.
        """
        replies = await self.attempt(*commands, deadline=deadline)
        for index, reply in enumerate(replies):
            if isinstance(reply, RedisRefused):
                name = _text(commands[index][0])
                raise RedisRefused(reply.code, reply.detail, command=name, index=index)
        return replies

    async def attempt(self, *commands: Command, deadline: float | None = None) -> list[Reply]:
        """As `execute`, but a refusal stands in the list as a RedisRefused, not raised.

        A cancelled call's replies are passed over when they come; the connection stays usable.
        """
        if not commands:
            return []
        payload = b"".join([_pack(command) for command in commands])
        return await self.attempt_packed(payload, len(commands), deadline=deadline)

    async def attempt_packed(
        self, payload: bytes, count: int, *, deadline: float | None = None
    ) -> list[Reply]:
        """As `attempt`, for `count` commands that the caller has packed as the protocol wants."""
        if self._lost is not None or self._transport is None:
            raise RedisUnavailable(f"Redis {self._address}: {self._lost}", in_flight=False)
        loop = asyncio.get_running_loop()
        batch = _Batch(count, loop.create_future())
        self._batches.append(batch)
        self._transport.write(payload)
        seconds = self._deadline if deadline is None else deadline
        timer = loop.call_later(seconds, self._lose, f"no reply within {seconds:g} s")
        try:
            return await batch.replied
        finally:
            timer.cancel()

    def close(self) -> None:
        """Closes at once; calls under way raise RedisUnavailable."""
        self._lose("closed by this process")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._lost = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._lose(
            f"connection lost ({_reason(exc)})" if exc else "the server closed the connection"
        )

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        reader, batches = self._reader, self._batches
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _INCOMPLETE:
                if type(reply) is PushNotification:
                    continue
                batch = batches[0]
                batch.replies.append(reply)
                if len(batch.replies) == batch.size:
                    batches.popleft()
                    if not batch.replied.done():
                        batch.replied.set_result(batch.replies)
        except (HiredisError, IndexError) as error:
            self._lose(f"unreadable reply ({type(error).__name__})")

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        while self._batches:
            replied = self._batches.popleft().replied
            if not replied.done():
                message = f"Redis {self._address}: {self._lost}"
                replied.set_exception(RedisUnavailable(message, in_flight=True))


async def connect(
    server: RedisServer, *, name: str, decode: bool = True, deadline: float = DEADLINE_SECONDS
) -> Connection:
    """An open, authenticated connection to a server that has loaded its data.

    Args:
        server: where, and as which user; an empty password means no AUTH.
        name: shown by CLIENT LIST; letters, digits and punctuation, no spaces.
        decode: replies are str (UTF-8, broken bytes replaced); False leaves them bytes.
        deadline: seconds to connect in, and the default for every call.

    Raises:
        RedisUnavailable: not reachable, not in time, or still loading its data.
        RedisRefused: the user or password was refused. The message never holds the password.
    """
    loop = asyncio.get_running_loop()
    connection = Connection(server, decode=decode, deadline=deadline)
    address = f"{server.host}:{server.port}"
    try:
        async with asyncio.timeout(deadline):
            await loop.create_connection(lambda: connection, server.host, server.port)
            await _greet(connection, server, name=name)
    except OSError as error:
        connection.close()
        reason = f"Redis {address}: cannot connect ({_reason(error)})"
        raise RedisUnavailable(reason, in_flight=False) from error
    except RedisUnavailable as error:
        connection.close()
        raise RedisUnavailable(str(error), in_flight=False) from error
    except BaseException:
        connection.close()
        raise
    return connection


async def _greet(connection: Connection, server: RedisServer, *, name: str) -> None:
    hello: Command = ("HELLO", 3, "SETNAME", name)
    if server.password:
        hello = ("HELLO", 3, "AUTH", server.username or "default", server.password, "SETNAME", name)
    greeting, ping = await connection.attempt(hello, ("PING",))
    if isinstance(greeting, RedisRefused):
        # A server that does not know HELLO repeats its arguments, the password among them.
        is_old = "unknown command" in greeting.detail
        detail = "Redis 6 or newer is needed" if is_old else greeting.detail
        raise RedisRefused(greeting.code, f"{detail} ({server})", command="HELLO")
    if isinstance(ping, RedisRefused) and ping.code == "LOADING":
        raise RedisUnavailable(f"{server}: still loading its data", in_flight=False)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _text(word: Argument) -> str:
    return word.decode(errors="replace") if isinstance(word, bytes) else str(word)


def entry_fields(flat: Sequence[str]) -> dict[str, str]:
    """An entry's fields: the server sends names and values in turn, in RESP3 too."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
