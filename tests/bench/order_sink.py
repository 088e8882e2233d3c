"""A bare HTTP server that answers every order as Zerodha does and notes when it had come in.

`python order_sink.py`: prints its port, then, told by a line on standard input, the nanoseconds of
every write since the last time.
"""

import asyncio
import json
import sys
import time

ANSWER = b'{"status":"success","data":{"order_id":"1"}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Sink(asyncio.Protocol):
    """One connection. Requests come one after the other, as the client pools them."""

    def __init__(self, times: list[int]) -> None:
        self.times = times
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.time_ns()
        self.rest += data
        head, found, body = self.rest.partition(b"\r\n\r\n")
        if not found or len(body) < length_in(head):
            return
        self.rest = b""
        if not head.startswith(b"GET"):
            self.times.append(now)
        self.transport.write(HEAD % len(ANSWER) + ANSWER)


def length_in(head: bytes) -> int:
    """The body's length; 0 without one."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def main() -> None:
    """Serves until standard input ends."""
    loop = asyncio.get_running_loop()
    times: list[int] = []
    server = await loop.create_server(lambda: Sink(times), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(times), flush=True)
        times.clear()


if __name__ == "__main__":
    asyncio.run(main())
