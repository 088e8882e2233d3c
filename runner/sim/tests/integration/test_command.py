"""`algo-sim` as a process: what it prints, how it plays by itself, how it ends."""

import asyncio
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from support.servers.kite_client import STOP_MARKET, TOKEN, Kite
from support.servers.sim_server import TICKS, simulator

COMMAND = [sys.executable, "-m", "algo_sim"]


async def test_by_itself__it_plays_the_day_to_its_end() -> None:
    async with simulator(speed="max") as sim:
        kite = Kite(sim, await sim.zerodha_access_token())
        stream = await kite.connect()
        await stream.watch("ltp")
        await sim.admin("POST", "/admin/start")
        async with asyncio.timeout(30):
            while not (await sim.admin("GET", "/admin/state"))["done"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        count = 0
        while count < 1509 - 1:
            count += len(await stream.packets())
        await kite.close()


async def test_ended_by_a_signal__it_leaves_at_once_with_sockets_open() -> None:
    async with simulator() as sim:
        kite = Kite(sim, await sim.zerodha_access_token())
        stream = await kite.connect()
        await stream.watch()
        calling = asyncio.create_task(_hanging(kite))
        while not await sim.orders("zerodha"):  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert sim.process is not None
        sim.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await sim.process.wait() == 0
        calling.cancel()
        await kite.close()


async def _hanging(kite: Kite) -> None:
    await kite.sim.fault("zerodha", "accept_and_never_answer", on="place")
    await kite("POST", "/orders/regular", data=STOP_MARKET)


async def test_with_a_certificate__brokers_speak_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    server.cert_chain_pems[0].write_to_path(cert)
    server.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    options = ["--tls-cert", str(cert), "--tls-key", str(key)]
    async with simulator(options=options) as sim:
        assert sim.base_url("zerodha").startswith("https://")
        assert sim.feed_url("zerodha").startswith("wss://")
        async with sim.http.get(sim.base_url("zerodha") + "/instruments", ssl=context) as answer:
            assert str(TOKEN) in await answer.text()
        await sim.advance("09:15:00")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ticks", "/no/such/file"], "/no/such/file"),
        (["--ticks", str(TICKS), "--speed", "never"], "--speed"),
        (["--ticks", str(TICKS), "--host", "192.0.2.1"], "cannot listen"),
    ],
)
def test_bad_input__ends_in_words_and_status_2(words: list[str], said: str) -> None:
    done = subprocess.run(
        [*COMMAND, *words, "--broker", "zerodha"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


async def test_while_nothing_trades__the_running_clock_is_shown(start: Any, log_in: Any) -> None:
    sim = await start("--speed", "20")
    stream = await (await log_in(sim)).connect()
    await stream.watch()
    await sim.admin("POST", "/admin/start")
    fields = await stream.full()
    assert (fields[1], fields[11]) == (9500, 0)
    assert fields[15] > 1_562_643_000


async def test_days__follow_one_another(tmp_path: Path, start: Any, log_in: Any) -> None:
    lines = TICKS.read_text().splitlines()
    second = TICKS.with_name("YESBANK-20190710.csv").read_text().splitlines()[1:]
    file = tmp_path / "days.csv"
    file.write_text("\n".join([*lines, *second]) + "\n")
    sim = await start("--ticks", str(file))
    kite = await log_in(sim)
    await sim.advance("15:00:00")
    await kite.place({**STOP_MARKET, "trigger_price": "88"})
    await sim.advance("2019-07-10T09:00:00")
    assert await kite.data("GET", "/orders") == []
    await sim.advance("09:20:00")
    state = await sim.admin("GET", "/admin/state")
    assert state["ticks"] > 1508
    found = await kite.data("GET", "/quote?i=NSE:YESBANK")
    assert found["NSE:YESBANK"]["timestamp"] == "2019-07-10 09:20:00"
    assert found["NSE:YESBANK"]["ohlc"]["close"] == 91.35


@pytest.mark.parametrize("fault", ["drop_connection_before_taking", "drop_connection_after_taking"])
async def test_under_its_own_event_loop__connections_are_cut(fault: str) -> None:
    async with simulator() as sim:
        kite = Kite(sim, await sim.zerodha_access_token())
        stream = await kite.connect()
        await sim.fault("zerodha", fault, on="place")
        with pytest.raises(aiohttp.ClientError):
            await kite("POST", "/orders/regular", data=STOP_MARKET)
        await sim.fault("zerodha", "drop_feed")
        while (message := await stream.socket.receive(timeout=5)).data == b"\x00":
            pass
        assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        await kite.close()
