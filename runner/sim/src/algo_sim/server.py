"""All servers of one simulator: a port a broker, one for the admin API."""

import asyncio
import ssl
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final, cast

from aiohttp import web

from algo_sim.admin import Admin, BadRequest
from algo_sim.broker import SimulatedBroker
from algo_sim.exchange.account import AccountSettings
from algo_sim.exchange.exchange import Exchange
from algo_sim.faults import FaultError
from algo_sim.protocol import BrokerProtocol
from algo_sim.rate_limits import RateLimits
from algo_sim.settings import Settings, SettingsError
from algo_sim.simulation import Simulation, Timed
from algo_sim.tick_source import TickSource, day_begins_us, instruments, overview

_MOST_BODY: Final = 4_000_000
_SHUTDOWN_SECONDS: Final = 0.1


def build(settings: Settings) -> tuple[Simulation, Admin]:
    """World and admin API from the options; nothing listens yet.

    Raises:
        TickFileError: the tick file cannot be read.
        SettingsError: an account or a scenario makes no sense.
    """
    found = overview(settings.ticks)
    exchange = Exchange(
        instruments(found, instruments=settings.instruments),
        start_us=day_begins_us(found.first_us),
        fill=settings.fill,
    )
    simulation = Simulation(exchange, TickSource(settings.ticks))
    for name in settings.brokers:
        _open(simulation, name, settings)
    if settings.closing_auction:
        exchange.force_auction(settings.closing_auction)
    return simulation, Admin(simulation, speed=settings.speed)


async def play_scenario(
    simulation: Simulation, admin: Admin, rows: Sequence[dict[str, Any]]
) -> None:
    """Arms what a scenario wants at the start, and lays the rest by for its time.

    Raises:
        SettingsError: a row makes no sense.
    """
    for number, row in enumerate(rows):
        fields = {key: value for key, value in row.items() if key not in {"at", "when"}}
        try:
            if "at" in row:
                time_us = simulation.exchange.at(str(row["at"]))
                simulation.timed.append(Timed(time_us, number, partial(admin.arm, fields)))
            else:
                await admin.arm(fields)
        except (FaultError, BadRequest, ValueError) as error:
            raise SettingsError(f"scenario, row {number + 1}: {error}") from error
    simulation.timed.sort()


async def serve(
    settings: Settings, *, simulation: Simulation, admin: Admin
) -> dict[str, web.AppRunner]:
    """Starts to listen; the runners by name, for their ports and their end."""
    runners: dict[str, web.AppRunner] = {}
    tls = _tls(settings)
    for name in settings.brokers:
        routes = simulation.protocols[name].routes()
        runners[name] = await _listen(settings, routes, port=settings.ports[name], tls=tls)
    runners["admin"] = await _listen(
        settings, admin.routes(), port=settings.ports["admin"], tls=None
    )
    return runners


def addresses(runners: dict[str, web.AppRunner], *, tls: bool) -> dict[str, str]:
    """Name → address."""
    found: dict[str, str] = {}
    for name, runner in runners.items():
        host, port = runner.addresses[0][:2]
        scheme = "https" if tls and name != "admin" else "http"
        found[name] = f"{scheme}://{host}:{port}"
    return found


async def close(simulation: Simulation, runners: dict[str, web.AppRunner]) -> None:
    """Ends playing and all connections."""
    await simulation.stop()
    for protocol in simulation.protocols.values():
        await protocol.drop_feed()
        await protocol.close_order_socket()
    _ = await asyncio.gather(*(runner.cleanup() for runner in runners.values()))


def _open(simulation: Simulation, name: str, settings: Settings) -> None:
    """An account at a broker and the protocol over it. A protocol's package has LIMITS, order_id
    and open_protocol.
    """
    account = settings.accounts[name]
    module = import_module(f"algo_sim.{name}")
    book = simulation.exchange.open_account(
        AccountSettings(
            name=name,
            order_id=partial(module.order_id, simulation.exchange.day),
            cash=account["available_paise"],
        ),
        square_off=account["square_off"],
    )
    broker = SimulatedBroker(
        name=name,
        exchange=simulation.exchange,
        account=book,
        limits=RateLimits({**module.LIMITS, **account["limits"]}),
        flush=simulation.flush,
        master_rows=settings.instruments,
        packets=account["packets"],
        last_trade=account.get("last_trade", "clock"),
        registered_ip=account["registered_ip"],
    )
    simulation.brokers[name] = broker
    simulation.protocols[name] = cast("BrokerProtocol", module.open_protocol(broker, account))


async def _listen(
    settings: Settings, routes: Sequence[web.RouteDef], *, port: int, tls: ssl.SSLContext | None
) -> web.AppRunner:
    app = web.Application(client_max_size=_MOST_BODY)
    _ = app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, settings.host, port, ssl_context=tls).start()
    return runner


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(*settings.tls)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"--tls-cert and --tls-key: {error}") from error
    return context
