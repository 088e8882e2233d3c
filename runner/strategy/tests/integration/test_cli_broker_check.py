"""`algo-runner broker-check` against the simulated brokers, as a person runs it."""

import asyncio
import json
import sys
from typing import Any

import pytest
from algo_contract.brokers import LIVE_BROKERS
from support.servers.live_strategy import SECRETS
from support.servers.sim_server import Simulator, simulator

COMMAND = [sys.executable, "-m", "algo_runner", "broker-check"]


async def checked(sim: Simulator, broker: str, given: dict[str, Any]) -> tuple[int, str, str]:
    words = ["--broker", broker, "--symbol", "NSE:YESBANK", "--feed-seconds", "2"]
    words += ["--base-url", sim.base_url(broker), "--feed-url", sim.feed_url(broker)]
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(json.dumps(given).encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def secrets_for(sim: Simulator, broker: str) -> dict[str, Any]:
    if broker != "zerodha":
        return dict(SECRETS[broker])
    token = await sim.zerodha_request_token()
    return {**SECRETS[broker], "callback": {"request_token": token}}


@pytest.mark.parametrize("broker", LIVE_BROKERS)
async def test_broker_check__reads_everything_and_places_nothing(broker: str) -> None:
    async with simulator(brokers=(broker,)) as sim:
        status, out, err = await checked(sim, broker, await secrets_for(sim, broker))

        assert (status, err) == (0, ""), out
        steps = [line.split()[:2] for line in out.splitlines()]
        names = ["log-in", "profile", "address", "funds"]
        names += ["positions", "orders", "instruments", "feed"]
        assert steps == [["ok", name] for name in names]
        assert await sim.orders(broker) == []


@pytest.mark.parametrize("broker", LIVE_BROKERS)
async def test_broker_check__wrong_secrets__says_so_and_tells_none(broker: str) -> None:
    async with simulator(brokers=(broker,)) as sim:
        given = await secrets_for(sim, broker)
        wrong = "api_secret" if broker == "zerodha" else "pin"
        given[wrong] = "999999"

        status, out, err = await checked(sim, broker, given)

        assert status == 1
        assert out.startswith("FAIL  log-in")
        assert "999999" not in out + err


async def test_broker_check__input_that_is_no_json__is_told_in_words() -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--broker", "dhan", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate(b"{")

    assert process.returncode == 2
    assert err.decode() == (
        "broker-check: standard input must be a JSON object with client_id, pin, totp_seed\n"
    )
