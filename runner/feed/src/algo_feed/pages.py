"""/metrics, /healthz and /readyz over a few lines of HTTP, as the runner has them."""

import asyncio
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from algo_feed.exchange_clock import ExchangeClock
from algo_feed.figures import LAG_SECONDS, Figures
from algo_feed.tick_lines import TickLines

REQUEST_SECONDS: Final = 5.0
MAX_REQUEST_BYTES: Final = 8192


@dataclass(slots=True)
class Pages:
    """What is shown."""

    figures: Figures
    started: float
    """Seconds since the epoch."""

    is_ready: Callable[[], bool] = lambda: False
    clock: ExchangeClock | None = None
    lines: TickLines | None = None
    """Both None until there is a session."""


async def serve(pages: Pages, listener: socket.socket) -> asyncio.Server:
    """Starts answering."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                path = request.split(b" ", 2)[1].decode("latin-1")
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


def exposition(pages: Pages) -> str:
    """Prometheus' text format."""
    figures = pages.figures
    usage = resource.getrusage(resource.RUSAGE_SELF)
    age = time.time() - figures.newest_tick_us / 1e6 if figures.newest_tick_us else -1.0
    skew = (
        time.time() - pages.clock.newest_us / 1e6 if pages.clock and pages.clock.newest_us else 0.0
    )
    counters: dict[str, tuple[str, float]] = {
        "algo_feed_ticks_total": ("Ticks published.", figures.ticks),
        "algo_feed_frames_total": ("Frames received.", figures.frames),
        "algo_feed_garbled_frames_total": ("Frames not understood.", figures.garbled),
        "algo_feed_bad_prices_total": (
            "Ticks of no price, not published.",
            pages.lines.bad_prices if pages.lines else 0,
        ),
        "algo_feed_future_stamps_total": (
            "Stamps not believed.",
            pages.clock.futures if pages.clock else 0,
        ),
        "algo_feed_dropped_ticks_total": ("Ticks dropped for newer ones.", figures.dropped),
        "algo_feed_gaps_total": ("Times ticks may have been lost.", figures.gaps),
        "algo_feed_redis_refusals_total": ("Commands that Redis refused.", figures.refused),
        "algo_feed_silences_total": ("Sockets given up for silence.", figures.stale),
        "algo_feed_book_reads_total": ("Order books read.", figures.book_reads),
        "algo_feed_book_failures_total": ("Order books not read.", figures.book_failures),
        "algo_feed_order_rows_total": ("Order rows told.", figures.rows),
        "algo_feed_quote_reads_total": ("Quotes read.", figures.quote_reads),
        "process_cpu_seconds_total": ("Processor time used.", usage.ru_utime + usage.ru_stime),
    }
    gauges: dict[str, tuple[str, float]] = {
        "algo_feed_newest_tick_age_seconds": ("Since the newest tick; -1 before any.", age),
        "algo_feed_exchange_skew_seconds": ("Our clock less the newest stamp; 0 before any.", skew),
        "algo_feed_instruments": ("Instruments subscribed.", figures.subscribed),
        "algo_feed_unknown_instruments": ("Wanted, but not to be had.", figures.unknown),
        "process_start_time_seconds": ("When the process started.", pages.started),
        "process_resident_memory_max_bytes": ("Most memory so far.", usage.ru_maxrss * 1024),
    }
    lines: list[str] = []
    for kind, samples in (("counter", counters), ("gauge", gauges)):
        for name, (text, value) in samples.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {value:.17g}"]
    return "\n".join([*lines, *_reconnects(figures), *_lag(figures)]) + "\n"


def _reconnects(figures: Figures) -> list[str]:
    name = "algo_feed_reconnects_total"
    return [
        f"# HELP {name} Connections that ended.",
        f"# TYPE {name} counter",
        *(f'{name}{{socket="{which}"}} {n}' for which, n in sorted(figures.reconnects.items())),
    ]


def _lag(figures: Figures) -> list[str]:
    name, total = "algo_feed_publish_lag_seconds", 0
    lines = [f"# HELP {name} From a frame's receipt to Redis' answer.", f"# TYPE {name} histogram"]
    for bound, count in zip((*LAG_SECONDS, "+Inf"), figures.lag_counts, strict=True):
        total += count
        lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
    return [*lines, f"{name}_sum {figures.lag_sum:.17g}", f"{name}_count {total}"]


def _response(pages: Pages, path: str) -> bytes:
    match path:
        case "/metrics":
            status, body = "200 OK", exposition(pages)
        case "/healthz":
            status, body = "200 OK", "ok\n"
        case "/readyz" if pages.is_ready():
            status, body = "200 OK", "ready\n"
        case "/readyz":
            status, body = "503 Service Unavailable", "not ready: no session or no market socket\n"
        case _:
            status, body = "404 Not Found", "not found\n"
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
    )
    return (head + body).encode()
