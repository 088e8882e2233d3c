"""The HTTP client against real servers on loopback: what was surely not sent, and what was."""

import asyncio
import contextlib
import gzip
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import trustme
from algo_brokers.http import proxy as egress_module
from algo_brokers.http import client as http_module
from algo_brokers.http import pool as pool_module
from algo_brokers.http.connection import HIGH_WATER
from algo_brokers.errors import BrokerError, DeniedLocally, Rejected, TokenExpired, Unresolved
from algo_brokers.http.client import HttpClient, Response

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRET = "key:t0psecret"
HEADERS = {"Authorization": f"token {SECRET}"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """A server on loopback that answers as told and keeps what it was sent."""

    port: int = 0
    connections: int = 0
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """A connection came to its end."""

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """The next request's head; b"" at the end of the connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        body = await reader.readexactly(length)
        self.requests.append((head, body))
        self.heard.set()
        return head


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """A server that runs `handler` for each connection."""
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(server, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            tasks.discard(task)
            writer.close()
            server.closed.set()
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()


async def answering(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answers every request with 200."""
    while await server.request(reader):
        writer.write(OK)
        await writer.drain()


async def silent(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Takes requests and never answers."""
    while await server.request(reader):
        pass


def answers(raw: bytes) -> Callable[..., Awaitable[None]]:
    """A handler that sends this to every request and closes."""

    async def handler(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await server.request(reader)
        writer.write(raw)
        await writer.drain()

    return handler


@contextlib.asynccontextmanager
async def client(**options) -> AsyncIterator[HttpClient]:
    http = HttpClient(**options)
    try:
        yield http
    finally:
        await http.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def assert_tells_no_secret(error: BaseException) -> None:
    """Neither the error nor anything it came from holds the token, the query or the body."""
    seen: list[BaseException | None] = [error]
    while seen:
        part = seen.pop()
        if part is None:
            continue
        for text in (str(part), repr(part)):
            assert "t0psecret" not in text
            assert "qu3ry" not in text
            assert "b0dy" not in text
        seen += [part.__cause__, part.__context__]


async def place(
    http: HttpClient, port: int, *, send_by: float | None = None, host: str = "http://127.0.0.1"
):
    return await http.write(
        "POST",
        f"{host}:{port}/orders?token=qu3ry",
        headers=HEADERS,
        body=b"b0dy",
        send_by=send_by,
    )


async def test_two_calls__share_one_connection() -> None:
    async with serving(answering) as server, client() as http:
        first = await place(http, server.port)
        again = await http.read("GET", f"http://127.0.0.1:{server.port}/", headers=HEADERS)
    assert (first, again.body) == (Response(200, {"content-length": "2"}, b"ok"), b"ok")
    assert server.connections == 1
    assert [body for _, body in server.requests] == [b"b0dy", b""]


async def test_two_calls_over_tls__share_one_connection(server_tls, client_tls) -> None:
    async with serving(answering, tls=server_tls) as server, client(tls=client_tls) as http:
        await place(http, server.port, host="https://localhost")
        await place(http, server.port, host="https://localhost")
    assert (server.connections, len(server.requests)) == (1, 2)


async def test_a_certificate_of_another_authority__nothing_is_sent(server_tls) -> None:
    async with serving(answering, tls=server_tls) as server, client() as http:
        with pytest.raises(DeniedLocally) as caught:
            await place(http, server.port, host="https://localhost")
    assert server.requests == []
    assert_tells_no_secret(caught.value)


async def test_a_certificate_of_another_name__nothing_is_sent(server_tls, client_tls) -> None:
    async with serving(answering, tls=server_tls) as server, client(tls=client_tls) as http:
        with pytest.raises(DeniedLocally):
            await place(http, server.port, host="https://127.0.0.1")
    assert server.requests == []


async def test_nobody_listens__a_write_is_denied_and_a_read_unresolved() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with client() as http:
            with pytest.raises(DeniedLocally) as caught:
                await place(http, port)
            with pytest.raises(Unresolved):
                await http.read("GET", f"http://127.0.0.1:{port}/?q=qu3ry", headers=HEADERS)
    assert (
        str(caught.value) == "POST to 127.0.0.1: it could not be connected to (Connection refused)"
    )
    assert_tells_no_secret(caught.value)


async def test_no_answer__is_unresolved(monkeypatch) -> None:
    monkeypatch.setattr(http_module, "WRITE_SECONDS", 0.5)
    async with serving(silent) as server, client() as http:
        with pytest.raises(Unresolved) as caught:
            await place(http, server.port)
        assert len(server.requests) == 1
        assert_tells_no_secret(caught.value)


async def test_an_answer_in_drops__ends_with_the_whole_calls_time(monkeypatch) -> None:
    monkeypatch.setattr(http_module, "WRITE_SECONDS", 0.15)
    monkeypatch.setattr(pool_module, "POOL_SECONDS", 0.5)
    monkeypatch.setattr(egress_module, "CONNECT_SECONDS", 0.5)

    async def dripping(server, reader, writer) -> None:
        await server.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(dripping) as server, client() as http:
        with pytest.raises(Unresolved):
            await place(http, server.port)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
    ],
    ids=["nothing", "half a head", "half a body", "odd length", "no http", "endless head"],
)
async def test_an_answer_that_is_none__is_unresolved(raw: bytes) -> None:
    async with serving(answers(raw)) as server, client() as http:
        with pytest.raises(Unresolved) as caught:
            await place(http, server.port)
    assert len(server.requests) == 1
    assert_tells_no_secret(caught.value)


LENGTH_AND_CHUNKS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok0\r\n\r\n"
)


@pytest.mark.parametrize(
    "raw",
    [
        LENGTH_AND_CHUNKS,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["length and chunks", "two lengths", "another protocol", "only a beginning"],
)
async def test_an_answer_of_unclear_length__is_unresolved(raw: bytes) -> None:
    async with serving(answers(raw)) as server, client() as http:
        with pytest.raises(Unresolved):
            await place(http, server.port)
    assert len(server.requests) == 1


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_an_answer_without_a_length__ends_with_its_connection(
    secure, server_tls, client_tls
) -> None:
    host = "https://localhost" if secure else "http://127.0.0.1"
    raw = b"HTTP/1.1 200 OK\r\n\r\nall of it"
    async with (
        serving(answers(raw), tls=server_tls if secure else None) as server,
        client(tls=client_tls) as http,
    ):
        for _ in range(2):
            assert (await place(http, server.port, host=host)).body == b"all of it"
    assert server.connections == 2


async def test_go_on_before_the_answer__is_passed_over() -> None:
    async def hesitant(server, reader, writer) -> None:
        while await server.request(reader):
            writer.write(b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK)

    async with serving(hesitant) as server, client() as http:
        for _ in range(2):
            assert await place(http, server.port) == Response(200, {"content-length": "2"}, b"ok")
    assert server.connections == 1


STRAY = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 5\r\n\r\nstray"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "stray",
    [STRAY, b"HTTP/1.1 100 Continue\r\n\r\n", b"\0\0"],
    ids=["another answer", "go on", "no http"],
)
async def test_what_comes_behind_an_answer__is_no_orders_answer(
    stray, secure, server_tls, client_tls
) -> None:
    host = "https://localhost" if secure else "http://127.0.0.1"

    async def saying_more(server, reader, writer) -> None:
        while await server.request(reader):
            writer.write(OK + stray)

    async with (
        serving(saying_more, tls=server_tls if secure else None) as server,
        client(tls=client_tls) as http,
    ):
        for _ in range(2):
            answer = await place(http, server.port, host=host)
            assert answer == Response(200, {"content-length": "2"}, b"ok")
    assert server.connections == 2


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_what_comes_while_idle__is_no_orders_answer(secure, server_tls, client_tls) -> None:
    """As load balancers do: 408 on a connection that idles."""
    host = "https://localhost" if secure else "http://127.0.0.1"
    idle, told = asyncio.Event(), asyncio.Event()

    async def straying(server, reader, writer) -> None:
        while await server.request(reader):
            writer.write(OK)
            await idle.wait()
            writer.write(STRAY)
            await writer.drain()
            told.set()

    async with (
        serving(straying, tls=server_tls if secure else None) as server,
        client(tls=client_tls) as http,
    ):
        await place(http, server.port, host=host)
        idle.set()
        await told.wait()
        again = await place(http, server.port, host=host)
    assert (again.body, server.connections) == (b"ok", 2)


async def test_a_stray_answer_that_meets_an_order__is_not_followed_by_the_orders_own() -> None:
    """That it is taken for the order's nobody can help; the next order gets its own."""

    async def crossing(server, reader, writer) -> None:
        while await server.request(reader):
            number = len(server.requests)
            if number == 2:
                writer.write(STRAY)
            await writer.drain()
            body = b"for %d" % number
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with serving(crossing) as server, client() as http:
        answers_of = [(await place(http, server.port)).body for _ in range(4)]
    assert (answers_of[0], *answers_of[2:]) == (b"for 1", b"for 3", b"for 4")


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_a_download_left_early__does_not_hold_up_the_next_order(
    secure, server_tls, client_tls
) -> None:
    host = "https://localhost" if secure else "http://127.0.0.1"

    async def large(server, reader, writer) -> None:
        while head := await server.request(reader):
            body = bytes(900_000) if head.startswith(b"GET") else b"ok"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with (
        serving(large, tls=server_tls if secure else None) as server,
        client(tls=client_tls) as http,
    ):
        pieces = http.download(f"{host}:{server.port}/", headers={}, refusal=refusal)
        await anext(pieces)
        await asyncio.sleep(0.1)
        await pieces.aclose()
        assert (await place(http, server.port, host=host)).body == b"ok"


async def test_the_client_is_closed_while_it_connects__nothing_is_sent() -> None:
    knocked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(server, reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        knocked.set()
        await go_on.wait()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        server.requests.append((await reader.read(), b""))

    async with serving(slow) as proxy:
        http = HttpClient(proxy=f"http://127.0.0.1:{proxy.port}")
        order = asyncio.create_task(place(http, 1))
        await knocked.wait()
        await http.close()
        go_on.set()
        with pytest.raises(DeniedLocally, match="closed by this process"):
            await order
        await proxy.closed.wait()
    assert proxy.requests == [(b"", b"")]


async def test_an_address_that_does_not_answer__is_passed_over(monkeypatch) -> None:
    """A host has several; one is a black hole."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        async with serving(answering) as server, client() as http:
            ports = [hole.getsockname()[1], server.port]
            filler = socket.create_connection(("127.0.0.1", ports[0]))
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", p)) for p in ports]

            loop = asyncio.get_running_loop()
            real = loop.getaddrinfo

            async def look_up(host, *args, **kwargs):
                return found if host == "localhost" else await real(host, *args, **kwargs)

            monkeypatch.setattr(loop, "getaddrinfo", look_up)
            with filler:
                assert (await place(http, 443, host="http://localhost")).body == b"ok"


async def test_connection_close__is_obeyed() -> None:
    async def closing(server, reader, writer) -> None:
        while await server.request(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")

    async with serving(closing) as server, client() as http:
        await place(http, server.port)
        await place(http, server.port)
    assert (server.connections, len(server.requests)) == (2, 2)


async def test_a_connection_that_idled_too_long__is_not_used_again(monkeypatch) -> None:
    async with serving(answering) as server, client() as http:
        await place(http, server.port)
        monkeypatch.setattr(pool_module, "KEEPALIVE_SECONDS", -1.0)
        await place(http, server.port)
    assert (server.connections, len(server.requests)) == (2, 2)


async def test_many_hosts__the_longest_idle_connection_makes_room() -> None:
    async with contextlib.AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(serving(answering))
            for _ in range(pool_module.MAX_CONNECTIONS + 1)
        ]
        http = await stack.enter_async_context(client())
        for server in servers:
            await place(http, server.port)
        await servers[0].closed.wait()
        await place(http, servers[-1].port)
        await place(http, servers[0].port)
    assert [server.connections for server in servers] == [2, *[1] * (len(servers) - 1)]


async def test_a_call_under_way_when_the_client_closes__is_unresolved() -> None:
    async with serving(silent) as server, client() as http:
        order = asyncio.create_task(place(http, server.port))
        await server.heard.wait()
        await http.close()
        with pytest.raises(Unresolved, match="closed by this process"):
            await order


@pytest.mark.parametrize("where", ["head", "hints", "trailers"])
async def test_endless_headers__are_cut_off(where: str) -> None:
    async def endless(server, reader, writer) -> None:
        await server.request(reader)
        if where == "trailers":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        elif where == "head":
            writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            hint = b"HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n"
            writer.write((hint if where == "hints" else b"X: 1\r\n") * 1000)
            await writer.drain()

    async with serving(endless) as server, client() as http:
        with pytest.raises(Unresolved, match="bytes of headers"):
            await place(http, server.port)


async def test_trailers__do_not_change_the_headers() -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\n"
    async with serving(answers(raw)) as server, client() as http:
        answer = await place(http, server.port)
    assert answer == Response(200, {"transfer-encoding": "chunked"}, b"ok")


async def test_an_endless_body__is_cut_off(monkeypatch) -> None:
    monkeypatch.setattr(http_module, "MAX_BODY", 1000)
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001
    async with serving(answers(raw)) as server, client() as http:
        with pytest.raises(Unresolved, match="larger than 1000 bytes"):
            await place(http, server.port)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_a_connection_closed_while_idle__is_not_used_again(
    secure, server_tls, client_tls
) -> None:
    host = "https://localhost" if secure else "http://127.0.0.1"
    idle = asyncio.Event()

    async def closing(server, reader, writer) -> None:
        await server.request(reader)
        writer.write(OK)
        await idle.wait()

    async with (
        serving(closing, tls=server_tls if secure else None) as server,
        client(tls=client_tls) as http,
    ):
        await place(http, server.port, host=host)
        idle.set()
        await server.closed.wait()
        assert (await place(http, server.port, host=host)).status == 200
    assert (server.connections, len(server.requests)) == (2, 2)


async def test_a_connection_closed_when_the_next_order_comes__is_unresolved_and_sent_once() -> None:
    async def second_is_dropped(server, reader, writer) -> None:
        await server.request(reader)
        writer.write(OK)
        await server.request(reader)

    async with serving(second_is_dropped) as server, client() as http:
        await place(http, server.port)
        with pytest.raises(Unresolved):
            await place(http, server.port)
    assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_too_late__nothing_is_sent(warm, secure, server_tls, client_tls) -> None:
    host = "https://localhost" if secure else "http://127.0.0.1"
    async with (
        serving(answering, tls=server_tls if secure else None) as server,
        client(tls=client_tls) as http,
    ):
        if warm:
            await place(http, server.port, host=host)
        with pytest.raises(DeniedLocally, match="too late"):
            await place(http, server.port, host=host, send_by=time.monotonic() - 0.001)
        await place(http, server.port, host=host, send_by=time.monotonic() + 5)
    assert len(server.requests) == 1 + warm
    assert server.connections == 1


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_time_runs_out_right_before_the_write__nothing_is_sent(
    secure, server_tls, client_tls, monkeypatch
) -> None:
    """Warm: only the check beside the socket sees it. The connection is as good as before."""
    host = "https://localhost" if secure else "http://127.0.0.1"
    async with (
        serving(answering, tls=server_tls if secure else None) as server,
        client(tls=client_tls) as http,
    ):
        await place(http, server.port, host=host)
        jumping = iter([0.0, 10.0])  # when asked for, before the write
        with monkeypatch.context() as patch:
            patch.setattr(http_module, "time", SimpleNamespace(monotonic=lambda: next(jumping)))
            with pytest.raises(DeniedLocally, match="too late"):
                await place(http, server.port, host=host, send_by=5.0)
        await place(http, server.port, host=host)
    assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_time_runs_out_while_connecting__nothing_is_sent(
    secure, server_tls, client_tls
) -> None:
    """Cold: the connection stands only when `send_by` has passed."""
    deadline = time.monotonic() + 0.05

    real = pool_module.connect

    async def late_connect(*args, **kwargs):
        connection = await real(*args, **kwargs)
        await asyncio.sleep(max(0.0, deadline - time.monotonic()) + 0.01)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_module, "connect", late_connect)
        host = "https://localhost" if secure else "http://127.0.0.1"
        async with serving(answering, tls=server_tls if secure else None) as server:
            async with client(tls=client_tls) as http:
                with pytest.raises(DeniedLocally, match="too late"):
                    await place(http, server.port, host=host, send_by=deadline)
            await server.closed.wait()
    assert server.requests == []


async def test_cancelled_in_flight__its_answer_is_nobody_elses() -> None:
    asked = asyncio.Event()

    async def late(server, reader, writer) -> None:
        number = server.connections
        while await server.request(reader):
            asked.set()
            await asyncio.sleep(0.05 if number == 1 else 0)
            body = b"for %d" % number
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with serving(late) as server, client() as http:
        first = asyncio.create_task(place(http, server.port))
        await asked.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await place(http, server.port)).body == b"for 2"


async def test_many_cancelled_calls__leave_room_in_the_pool() -> None:
    async def first_ones_hang(server, reader, writer) -> None:
        while await server.request(reader):
            if server.connections > 8:
                writer.write(OK)

    async with serving(first_ones_hang) as server, client() as http:
        for _ in range(8):
            server.heard.clear()
            task = asyncio.create_task(place(http, server.port))
            await server.heard.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await place(http, server.port)).status == 200


async def test_calls_cancelled_within_the_tls_handshake__leave_nothing_open(client_tls) -> None:
    knocked = asyncio.Event()

    async def no_tls(server, reader, writer) -> None:
        await reader.read(1)
        knocked.set()
        await reader.read()

    async with serving(no_tls) as server, client(tls=client_tls) as http:
        for _ in range(pool_module.MAX_CONNECTIONS + 1):
            knocked.clear()
            server.closed.clear()
            task = asyncio.create_task(place(http, server.port, host="https://localhost"))
            await knocked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(5):
                await server.closed.wait()


async def test_reads_that_hang__leave_connections_to_orders() -> None:
    async def reads_hang(server, reader, writer) -> None:
        while head := await server.request(reader):
            if not head.startswith(b"GET"):
                writer.write(OK)

    async with serving(reads_hang) as server, client() as http:
        url = f"http://127.0.0.1:{server.port}/"
        reads = [
            asyncio.create_task(http.read("GET", url, headers={}))
            for _ in range(pool_module.MAX_CONNECTIONS + 1)
        ]
        await server.heard.wait()
        assert (await place(http, server.port)).status == 200
        for task in reads:
            task.cancel()
        await asyncio.gather(*reads, return_exceptions=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", f"token {SECRET}\n"),
        ("Authorization", f" {SECRET}"),
        ("Authorization", f"töken {SECRET}"),
        ("X-T\xf6ken", SECRET),
        ("X: 1\r\nY", SECRET),
    ],
)
async def test_a_header_that_is_none__is_denied_without_its_text(name: str, value: str) -> None:
    async with serving(answering) as server, client() as http:
        with pytest.raises(DeniedLocally) as caught:
            await http.write("POST", f"http://127.0.0.1:{server.port}/", headers={name: value})
    assert server.requests == []
    assert_tells_no_secret(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h0st/?qu3ry",
        "http://h0st/qu3ry\n",
        "http://[qu3ry",
        "http://h\xf6st/qu3ry\xf6",
        "qu3ry",
    ],
)
async def test_an_address_that_is_none__is_denied_without_its_query(url: str) -> None:
    async with client() as http:
        with pytest.raises(DeniedLocally) as caught:
            await http.write("POST", url, headers=HEADERS)
    assert_tells_no_secret(caught.value)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def connecting(server: Server, reader, writer) -> None:
    """A proxy that takes CONNECT, to this machine whatever name is asked for."""
    head = await server.request(reader)
    target = head.split(b" ")[1].decode()
    there, out = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
    writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
    try:
        await asyncio.gather(pipe(reader, out), pipe(there, writer))
    finally:
        out.close()


async def test_a_proxy__is_told_the_host_and_nothing_else(server_tls, client_tls) -> None:
    async with (
        serving(answering, tls=server_tls) as server,
        serving(connecting) as proxy,
        client(tls=client_tls, proxy=f"http://127.0.0.1:{proxy.port}") as http,
    ):
        await place(http, server.port, host="https://localhost", send_by=time.monotonic() + 5)
        await place(http, server.port, host="https://localhost", send_by=time.monotonic() + 5)
    assert (proxy.connections, server.connections, len(server.requests)) == (1, 1, 2)
    [(head, body)] = proxy.requests
    target = f"localhost:{server.port}"
    assert head.decode() == f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
    assert body == b""


async def test_a_proxy_and_an_http_address__is_a_tunnel_too() -> None:
    async with (
        serving(answering) as server,
        serving(connecting) as proxy,
        client(proxy=f"http://127.0.0.1:{proxy.port}") as http,
    ):
        assert (await place(http, server.port)).status == 200
    assert proxy.requests[0][0].startswith(b"CONNECT 127.0.0.1:")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"HTTP/1.1 403 t0psecret\r\nContent-Length: 0\r\n\r\n", "the egress proxy answered 403"),
        (b"HTTP/1.1 407 Who\r\n\r\n", "the egress proxy answered 407"),
        (
            b"HTTP/1.1 407 Who\r\nContent-Length: 6\r\n\r\n<html>",
            "the egress proxy answered 407",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nme first", "the egress proxy spoke before the broker"),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "the egress proxy answered 502"),
        (b"", "the egress proxy gave no HTTP answer"),
        (b"SSH-2.0\r\n\r\n", "the egress proxy gave no HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000, "the egress proxy gave no HTTP answer"),
    ],
)
async def test_a_proxy_that_refuses__nothing_is_sent(raw, said, client_tls) -> None:
    async with (
        serving(answers(raw)) as proxy,
        client(tls=client_tls, proxy=f"http://127.0.0.1:{proxy.port}") as http,
    ):
        with pytest.raises(DeniedLocally) as caught:
            await place(http, 1, host="https://broker.test")
        with pytest.raises(Unresolved):
            await http.read("GET", "https://broker.test/", headers=HEADERS)
    assert str(caught.value) == f"POST to broker.test: {said}"
    assert_tells_no_secret(caught.value)


async def test_a_proxy_that_never_answers__nothing_is_sent(monkeypatch) -> None:
    monkeypatch.setattr(egress_module, "CONNECT_SECONDS", 0.5)
    async with (
        serving(silent) as proxy,
        client(proxy=f"http://127.0.0.1:{proxy.port}") as http,
    ):
        with pytest.raises(DeniedLocally):
            await place(http, 1, host="https://broker.test")


async def test_tls_that_fails_through_a_proxy__leaves_room_in_the_pool(
    server_tls, client_tls
) -> None:
    async with (
        serving(answering) as plain,
        serving(answering, tls=server_tls) as server,
        serving(connecting) as proxy,
        client(tls=client_tls, proxy=f"http://127.0.0.1:{proxy.port}") as http,
    ):
        for _ in range(pool_module.MAX_CONNECTIONS + 1):
            with pytest.raises(DeniedLocally, match="Hostname mismatch"):
                await place(http, server.port, host="https://wrong.test")
        assert (await place(http, server.port, host="https://localhost")).status == 200
    assert plain.requests == []


@pytest.mark.parametrize(
    "proxy",
    [
        "https://p:1",
        "http://",
        "socks5://p:1",
        "http://me:pass@p:1",
        "http://p:99999",
        "http://p:0",
        "http://p:1/path",
        "http://p q:1",
        "http://[p",
        "http://h\u2100st:1",
        "p:1",
    ],
)
def test_a_proxy_address_that_is_none__is_refused_without_its_text(proxy: str) -> None:
    with pytest.raises(
        DeniedLocally, match=r"^the egress proxy must be an http://host:port address$"
    ):
        HttpClient(proxy=proxy)


TABLE = b"".join(b"%d,SYMBOL%d\n" % (n, n) for n in range(50_000))


def refusal(response: Response) -> BrokerError:
    return TokenExpired(f"{response.status} {response.body.decode()}")


async def fetch(http: HttpClient, port: int) -> bytes:
    url = f"http://127.0.0.1:{port}/instruments?token=qu3ry"
    pieces = [p async for p in http.download(url, headers=HEADERS, refusal=refusal)]
    assert max(map(len, pieces)) <= 4 * HIGH_WATER
    return b"".join(pieces)


def chunked(body: bytes, *, said: bytes = b"") -> bytes:
    """An answer in chunks of odd sizes."""
    parts = [body[at : at + 7919] for at in range(0, len(body), 7919)]
    lines = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + said + b"\r\n" + lines + b"0\r\n\r\n"
    )


@pytest.mark.parametrize(
    "raw",
    [
        chunked(TABLE),
        chunked(gzip.compress(TABLE), said=b"Content-Encoding: gzip\r\n"),
        chunked(gzip.compress(TABLE), said=b"Content-Type: application/gzip\r\n"),
    ],
    ids=["plain", "gzip told", "gzip not told"],
)
async def test_a_download__is_the_plain_file(raw: bytes) -> None:
    async with serving(answers(raw)) as server, client() as http:
        assert await fetch(http, server.port) == TABLE


@pytest.mark.parametrize(
    "raw",
    [
        chunked(TABLE)[:-100],
        chunked(gzip.compress(TABLE)[:-100]),
        chunked(b"\x1f\x8b" + TABLE),
        chunked(gzip.compress(TABLE) * 2),
        chunked(b""),
    ],
    ids=["cut off", "gzip cut off", "no gzip", "two files", "empty"],
)
async def test_a_download_that_is_not_whole__is_unresolved(raw: bytes) -> None:
    async with serving(answers(raw)) as server, client() as http:
        with pytest.raises(Unresolved) as caught:
            await fetch(http, server.port)
        assert_tells_no_secret(caught.value)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_a_download_faster_than_its_reader__is_held_up(
    secure, server_tls, client_tls
) -> None:
    host = "https://localhost" if secure else "http://127.0.0.1"
    size, sent = 40_000_000, 0

    async def pouring(server, reader, writer) -> None:
        nonlocal sent
        await server.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(bytes(100_000))
            await writer.drain()
            sent += 100_000

    async with (
        serving(pouring, tls=server_tls if secure else None) as server,
        client(tls=client_tls) as http,
    ):
        pieces = http.download(f"{host}:{server.port}/", headers={}, refusal=refusal)
        got = len(await anext(pieces))
        for _ in range(200):
            await asyncio.sleep(0.001)
        assert sent < size // 2, "the rest waits in the sockets"
        async for piece in pieces:
            got += len(piece)
    assert (got, sent) == (size, size)


async def test_a_gzip_bomb__is_cut_off(monkeypatch) -> None:
    monkeypatch.setattr(http_module, "MAX_DOWNLOAD", 1_000_000)
    raw = chunked(gzip.compress(b"\0" * 10_000_000))
    async with serving(answers(raw)) as server, client() as http:
        with pytest.raises(Unresolved, match="too large"):
            await fetch(http, server.port)


async def test_a_download_that_is_refused__is_what_the_broker_said() -> None:
    raw = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\ndead"
    async with serving(answers(raw)) as server, client() as http:
        with pytest.raises(TokenExpired, match="403 dead"):
            await fetch(http, server.port)


async def test_a_download_that_its_reader_leaves__closes_the_connection() -> None:
    async with serving(answers(chunked(TABLE))) as server, client() as http:
        url = f"http://127.0.0.1:{server.port}/"
        pieces = http.download(url, headers={}, refusal=lambda _: Rejected("no"))
        assert await anext(pieces)
        await pieces.aclose()
        await server.closed.wait()
        assert len(await fetch(http, server.port)) == len(TABLE)
