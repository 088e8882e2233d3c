"""A simulator in the test's own process: the same servers, without the start of a process."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from algo_sim.rate_limits import RateLimits
from algo_sim.server import addresses, build, close, play_scenario, serve
from algo_sim.settings import read_settings
from support.servers.dhan_client import Dhan
from support.servers.kite_client import Kite
from support.servers.sim_server import TICKS, Simulator

Start = Callable[..., Any]


@contextlib.asynccontextmanager
async def _started(*options: str) -> AsyncGenerator[Simulator]:
    has_broker = "--broker" in options
    words = ["--ticks", str(TICKS), *([] if has_broker else ["--broker", "zerodha"]), *options]
    settings = read_settings(words)
    simulation, admin = build(settings)
    if "--account" not in options:
        for broker in simulation.brokers.values():
            broker.limits = RateLimits({})
    await play_scenario(simulation, admin, settings.scenario)
    runners = await serve(settings, simulation=simulation, admin=admin)
    try:
        async with aiohttp.ClientSession() as http:
            yield Simulator(addresses=addresses(runners, tls=False), http=http)
    finally:
        await close(simulation, runners)


@pytest.fixture(name="start")
async def _start() -> AsyncIterator[Start]:
    """Starts a simulator with options; --ticks is the sample's unless given again.

    Without an --account file nothing is limited: how many calls fall into one second of the wall
    clock is not for a test to say.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def start(*options: str) -> Simulator:
            return await stack.enter_async_context(_started(*options))

        yield start


@pytest.fixture(name="sim")
async def _sim(start: Start) -> Simulator:
    """Zerodha alone, by hand."""
    return await start()


@pytest.fixture(name="log_in")
async def _log_in() -> AsyncIterator[Callable[[Simulator], Any]]:
    """A client of the simulated Kite with a token."""
    clients: list[Kite] = []

    async def log_in(sim: Simulator) -> Kite:
        clients.append(Kite(sim, await sim.zerodha_access_token()))
        return clients[-1]

    yield log_in
    for client in clients:
        await client.close()


@pytest.fixture(name="kite")
async def _kite(sim: Simulator, log_in: Callable[[Simulator], Any]) -> Kite:
    """Logged in at the simulator by hand."""
    return await log_in(sim)


@pytest.fixture(name="dhan")
async def _dhan(start: Start) -> AsyncIterator[Dhan]:
    """A client of the simulated Dhan, logged in, by hand."""
    dhan = Dhan(await start("--broker", "dhan"))
    await dhan.log_in()
    yield dhan
    await dhan.close()
