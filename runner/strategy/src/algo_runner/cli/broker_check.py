"""`algo-runner broker-check`: for the day a person has an account. Logs in, reads everything that
trading needs and ten seconds of the feed, places nothing, and prints what worked.
"""

import argparse
import asyncio
import getpass
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from algo_brokers import adapters
from algo_brokers.adapters import BrokerAdapter
from algo_brokers.errors import BrokerError
from algo_brokers.http.client import HttpClient
from algo_brokers.instruments import Instrument, InstrumentMaster
from algo_brokers.streaming import MalformedFrame, StreamCodec
from algo_brokers.urls import Endpoints
from algo_contract.brokers import LIVE_BROKERS, LOGIN_FIELDS
from algo_contract.messages.broker_session import BrokerSession
from algo_contract.money import rupee_text
from algo_contract.trading_day import ist_datetime
from algo_service.clock import now_us as wall_us
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

FEED_SECONDS: Final = 10.0
STEP_SECONDS: Final = 60.0
MAX_INPUT: Final = 16_384


class CheckFailed(Exception):
    """A step did not work; the message is for people and holds no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command line."""

    broker: str
    exchange: str
    symbol: str
    base_url: str | None
    feed_url: str | None
    egress_proxy: str | None
    feed_seconds: float


@dataclass(slots=True)
class Check:
    """A check under way: what each step found is for those after it."""

    asked: Asked
    kind: BrokerAdapter
    endpoints: Endpoints
    http: HttpClient
    secrets: dict[str, str]
    callback: dict[str, str]
    session: BrokerSession | None = None
    instrument: Instrument | None = None
    results: list[tuple[str, bool, str]] = field(default_factory=list[tuple[str, bool, str]])


def main(arguments: list[str]) -> int:
    """The command line; 0 when every step worked, 1 when one did not, 2 for bad input."""
    asked = _asked(arguments)
    try:
        kind = adapters.adapter(asked.broker)
        endpoints = kind.endpoints(asked.base_url, asked.feed_url)
        secrets, callback = _secrets(asked.broker, kind, endpoints)
        http = HttpClient(proxy=asked.egress_proxy)
    except (CheckFailed, BrokerError, ValueError) as error:
        sys.stderr.write(f"broker-check: {error}\n")
        return 2
    check = Check(
        asked=asked,
        kind=kind,
        endpoints=endpoints,
        http=http,
        secrets=secrets,
        callback=callback,
    )
    asyncio.run(_run(check))
    width = max(len(name) for name, _, _ in check.results)
    for name, is_good, words in check.results:
        sys.stdout.write(f"{'ok  ' if is_good else 'FAIL'}  {name:<{width}}  {words}\n")
    return 0 if all(is_good for _, is_good, _ in check.results) else 1


async def _run(check: Check) -> None:
    steps: tuple[tuple[str, Callable[[Check], Awaitable[str]]], ...] = (
        ("log-in", _log_in),
        ("profile", _profile),
        ("address", _address),
        ("funds", _funds),
        ("positions", _positions),
        ("orders", _orders),
        ("instruments", _instruments),
        ("feed", _feed),
    )
    try:
        for name, step in steps:
            await _try(check, name, step)
            if name == "log-in" and check.session is None:
                return
    finally:
        await check.http.close()


async def _try(check: Check, name: str, step: Callable[[Check], Awaitable[str]]) -> None:
    started = time.monotonic()
    try:
        async with asyncio.timeout(STEP_SECONDS):
            words = await step(check)
        is_good = True
    except (BrokerError, CheckFailed) as error:
        is_good, words = False, str(error)
    except TimeoutError:
        is_good, words = False, f"no answer within {STEP_SECONDS:.0f} s"
    spent = f"({1000 * (time.monotonic() - started):.0f} ms)"
    check.results.append((name, is_good, f"{words} {spent}"))


async def _log_in(check: Check) -> str:
    login = check.kind.login(check.endpoints)
    now_us = wall_us()
    check.session = await login.login(
        check.http, check.secrets, callback=check.callback, now_us=now_us
    )
    until = ist_datetime(check.session.expires_us).strftime("%d %b %H:%M IST")
    return f"the session lasts until {until}"


async def _profile(check: Check) -> str:
    return f"account {await _broker(check).check()}"


async def _address(check: Check) -> str:
    assert check.session is not None
    seen = await check.kind.login(check.endpoints).observed_address(check.http, check.session)
    return f"the broker sees {seen}" if seen else "the broker does not tell; compare by hand"


async def _funds(check: Check) -> str:
    funds = await _broker(check).funds()
    return f"{rupee_text(funds.available)} available, {rupee_text(funds.used)} used"


async def _positions(check: Check) -> str:
    return f"{len(await _broker(check).positions())} today"


async def _orders(check: Check) -> str:
    return f"{len(await _broker(check).orders())} in today's book"


async def _instruments(check: Check) -> str:
    assert check.session is not None
    pieces = [
        piece
        async for piece in check.kind.download_instruments(
            check.http, check.endpoints, check.session
        )
    ]
    master = InstrumentMaster(check.kind.parse_instruments(_lines(pieces)))
    asked = check.asked
    check.instrument = master.by_symbol(asked.exchange, asked.symbol)
    if check.instrument is None:
        raise CheckFailed(f"{asked.exchange}:{asked.symbol} is not among {len(master)} shares")
    tick = rupee_text(check.instrument.tick_size)
    return f"{len(master)} shares; {asked.exchange}:{asked.symbol} moves in steps of {tick}"


async def _feed(check: Check) -> str:
    assert check.session is not None
    if check.instrument is None:
        raise CheckFailed("not tried: the share is not known")
    wire = check.kind.streams(check.endpoints, check.session)[0]
    proxy = check.asked.egress_proxy
    tls = ssl.create_default_context() if wire.url().startswith("wss:") else None
    try:
        async with connect(
            wire.url(), additional_headers=wire.headers(), proxy=proxy, ssl=tls, compression=None
        ) as socket:
            for frame in (*wire.hello(), *wire.subscribe([check.instrument])):
                await socket.send(frame)
            prices, garbled = await _listen(socket, wire, check.asked.feed_seconds)
    except (WebSocketException, OSError) as error:
        raise CheckFailed(f"the socket failed: {type(error).__name__}") from error
    if not prices:
        raise CheckFailed(f"connected, but no price in {check.asked.feed_seconds:.0f} s")
    last = rupee_text(prices[-1])
    return (
        f"{len(prices)} prices in {check.asked.feed_seconds:.0f} s, last {last}, {garbled} garbled"
    )


async def _listen(socket: Any, wire: StreamCodec, seconds: float) -> tuple[list[int], int]:
    prices: list[int] = []
    garbled = 0
    try:
        async with asyncio.timeout(seconds):
            async for frame in socket:
                try:
                    if isinstance(frame, bytes):
                        prices += [tick.price for tick in wire.ticks(frame)]
                except MalformedFrame:
                    garbled += 1
    except TimeoutError:
        pass
    return prices, garbled


def _broker(check: Check) -> Any:
    assert check.session is not None
    return check.kind.broker(check.http, check.endpoints, check.session, None)


def _lines(pieces: list[bytes]) -> Iterator[str]:
    for line in b"".join(pieces).splitlines():
        yield line.decode("utf-8", "replace")


def _secrets(
    broker: str, kind: BrokerAdapter, endpoints: Endpoints
) -> tuple[dict[str, str], dict[str, str]]:
    """What the person types, or JSON on standard input; never arguments, which others can see."""
    names = LOGIN_FIELDS[broker]
    if not sys.stdin.isatty():
        return _secrets_from(sys.stdin.read(MAX_INPUT + 1), names)
    secrets = {name: getpass.getpass(f"{name}: ").strip() for name in names}
    url = kind.login(endpoints).url(secrets)
    if not url:
        return secrets, {}
    sys.stderr.write(f"Log in here, then paste the address you are sent to:\n{url}\n")
    return secrets, _callback(getpass.getpass("address: ").strip())


def _secrets_from(text: str, names: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    try:
        fields: Any = json.loads(text) if len(text) <= MAX_INPUT else None
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or not all(isinstance(fields.get(n), str) for n in names):
        raise CheckFailed(f"standard input must be a JSON object with {', '.join(names)}")
    callback = fields.get("callback", {})
    return (
        {name: fields[name] for name in names},
        _callback(callback) if isinstance(callback, str) else dict(callback),
    )


def _callback(address: str) -> dict[str, str]:
    """The fields that the browser was sent back with."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(address).query).items()}


def _asked(arguments: list[str]) -> Asked:
    parser = argparse.ArgumentParser(
        prog="algo-runner broker-check",
        description="Logs in and reads profile, funds, positions, orders, instruments and some "
        "seconds of the feed; places nothing. Asks for the secrets, or takes them as a JSON object "
        'on standard input (with "callback": the address a browser log-in ended at).',
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--broker", required=True, choices=LIVE_BROKERS)
    add("--symbol", default="NSE:RELIANCE", metavar="EXCHANGE:SYMBOL", help="default NSE:RELIANCE")
    add("--base-url", metavar="URL", help="a simulator's REST address")
    add("--feed-url", metavar="URL", help="a simulator's WebSocket address")
    add("--egress-proxy", metavar="URL", help="the proxy whose address the broker knows")
    add("--feed-seconds", type=float, default=FEED_SECONDS, metavar="N", help="default 10")
    parsed = parser.parse_args(arguments)
    exchange, _, symbol = parsed.symbol.partition(":")
    return Asked(
        broker=parsed.broker,
        exchange=exchange,
        symbol=symbol,
        base_url=parsed.base_url,
        feed_url=parsed.feed_url,
        egress_proxy=parsed.egress_proxy,
        feed_seconds=parsed.feed_seconds,
    )
