"""/metrics, /healthz and /readyz over a few lines of HTTP: prometheus-client would cost a tenth of
the whole process's memory.
"""

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

REQUEST_SECONDS = 5.0
MAX_REQUEST_BYTES = 8192
READY_SECONDS = 3.0
"""How long a question for readiness is held while the runner starts; the kubelet waits longer, and
would ask again only a second after a no.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure."""

    name: str
    help: str
    kind: str
    value: float
    labels: str = ""
    """As in the exposition format, without the braces."""


@dataclass(frozen=True, slots=True)
class Pages:
    """What the server answers with; called at each request."""

    samples: Callable[[], list[Sample]]
    ready: asyncio.Event


async def serve(pages: Pages, listener: socket.socket) -> asyncio.Server:
    """Starts answering, first those that have connected already."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                path = request.split(b" ", 2)[1].decode("latin-1")
                if path == "/readyz":
                    await _until(pages.ready)
                writer.write(_response(pages, path))
                await writer.drain()
        except (
            TimeoutError,
            OSError,
            IndexError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, sock=listener, limit=MAX_REQUEST_BYTES)


async def _until(ready: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_SECONDS):
            await ready.wait()


def process_samples(started: float) -> list[Sample]:
    """The process's own figures; `started` in seconds since the epoch."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return [
        Sample("process_start_time_seconds", "When the process started.", "gauge", started),
        Sample(
            "process_cpu_seconds_total",
            "Processor time used.",
            "counter",
            usage.ru_utime + usage.ru_stime,
        ),
        Sample(
            "process_resident_memory_max_bytes",
            "Most memory resident so far.",
            "gauge",
            usage.ru_maxrss * 1024,
        ),
    ]


def age_seconds(time_us: int) -> float:
    """Seconds since a wall-clock time in µs; -1 where there is none."""
    return time.time() - time_us / 1e6 if time_us else -1.0


def exposition(samples: list[Sample]) -> str:
    """Prometheus' text format."""
    lines: list[str] = []
    described: set[str] = set()
    for sample in samples:
        if sample.name not in described:
            described.add(sample.name)
            lines += [f"# HELP {sample.name} {sample.help}", f"# TYPE {sample.name} {sample.kind}"]
        labels = f"{{{sample.labels}}}" if sample.labels else ""
        lines.append(f"{sample.name}{labels} {sample.value:.17g}")
    return "\n".join(lines) + "\n"


def _response(pages: Pages, path: str) -> bytes:
    match path:
        case "/metrics":
            status, body = "200 OK", exposition(pages.samples())
        case "/healthz":
            status, body = "200 OK", "ok\n"
        case "/readyz" if pages.ready.is_set():
            status, body = "200 OK", "ready\n"
        case "/readyz":
            status, body = "503 Service Unavailable", "not ready: Redis is not reached yet\n"
        case _:
            status, body = "404 Not Found", "not found\n"
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
    )
    return (head + body).encode()
