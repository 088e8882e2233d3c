"""`algo-feed run` as a pod runs it: its process, its rights, its way through TLS and a proxy."""

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import trustme
from algo_contract.messages.redis_server import RedisServer, redis_json
from algo_contract.messages.feed_assignment import FeedAssignment, feed_json
from algo_service.mounted_secret import LoginChanged, check_login
from algo_feed.errors import BadInput
from algo_feed.process import run
from algo_operator.specs.redis_rules import feed_rules
from support.servers.feed_gateway import ACCOUNT, YESBANK, Feed, feed_gateway, write_secret
from support.servers.redis_server import RedisProcess, free_port
from support.servers.sim_server import simulator

NEVER = ("pydantic", "aiohttp", "kubernetes", "kubernetes_asyncio", "pandas", "kopf", "yaml")
LOADED = """
import asyncio, json, sys
import algo_feed.__main__, algo_feed.process, algo_brokers.zerodha, algo_brokers.dhan
print(json.dumps(sorted(sys.modules)))
"""


def test_modules__of_run__stay_few() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=True)
    modules: list[str] = json.loads(done.stdout)

    assert [name for name in modules if name.split(".")[0] in NEVER] == []
    assert "algo_contract.v1alpha1" not in modules
    assert "algo_feed.replay.publisher" not in modules


def test_run__nothing_mounted__a_sentence_and_status_2(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "algo_feed", "run", "--secret", str(tmp_path), "--port", "0"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 2
    assert "is the pod's Secret mounted there?" in done.stdout
    assert "Traceback" not in done.stderr


async def test_run__sigterm__leaves_quietly(tmp_path: Path, redis: RedisProcess) -> None:
    async with simulator() as sim:
        await write_secret(tmp_path, sim, redis)
        feed = Feed(tmp_path, free_port(), redis)
        words = ["-m", "algo_feed", "run", "--secret", str(tmp_path), "--port", str(feed.port)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=asyncio.subprocess.PIPE
        )
        await feed.want(YESBANK)
        await sim.advance("09:20:00")
        await feed.until(feed.trades)
        process.send_signal(signal.SIGTERM)
        out, _ = await asyncio.wait_for(process.communicate(), 10)
        process._transport.close()

    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in out.decode().splitlines()]
    assert events[-1] == "feed_stopped"
    token = json.loads((tmp_path / "session.json").read_text())["access_token"]
    assert token not in out.decode()


async def test_rights__of_the_operators_rules__are_enough(
    tmp_path: Path, redis: RedisProcess
) -> None:
    redis.run(
        "ACL", "SETUSER", "feed-user", *feed_rules(account=ACCOUNT, feed=ACCOUNT, password="pw")
    )
    async with (
        simulator() as sim,
        feed_gateway(tmp_path, sim, redis, user=("feed-user", "pw")) as feed,
    ):
        await feed.want(YESBANK, "NSE:NOSUCH")
        await sim.advance("09:20:00")
        await feed.until(lambda: len(feed.trades()) > 10)
        await feed.until(feed.books)
        await feed.until(feed.quotes)
        await feed.until(feed.clock_us)

        assert await feed.count("redis_refusals_total") == 0
    redis.run("ACL", "DELUSER", "feed-user")


async def test_redis_login__changed_in_the_secret__ends_for_a_new_start(
    tmp_path: Path, redis: RedisProcess
) -> None:
    def grant(password: str) -> None:
        rules = feed_rules(account=ACCOUNT, feed=ACCOUNT, password=password)
        redis.run("ACL", "SETUSER", "feed-user", *rules)

    async def life() -> None:
        async with (
            simulator() as sim,
            feed_gateway(tmp_path, sim, redis, user=("feed-user", "old")) as feed,
        ):
            await feed.until(feed.books)
            grant("new")
            redis.run("CLIENT", "KILL", "USER", "feed-user")
            server = RedisServer(
                host=redis.host, port=redis.port, username="feed-user", password="new"
            )
            (tmp_path / "redis.json").write_text(redis_json(state=server, ticks=server))
            assert feed.running is not None
            await asyncio.wait([feed.running], timeout=20)

    grant("old")
    with pytest.raises(LoginChanged, match="has changed"):
        await life()
    redis.run("ACL", "DELUSER", "feed-user")


def test_check_login__the_same_or_unreadable__says_nothing(tmp_path: Path) -> None:
    server = RedisServer(host="h", port=1, username="u", password="p")
    check_login(tmp_path, server)
    (tmp_path / "redis.json").write_text(redis_json(state=server, ticks=server))
    check_login(tmp_path, server)

    with pytest.raises(LoginChanged) as raised:
        check_login(tmp_path, replace(server, password="other"))
    assert "other" not in str(raised.value)


@pytest.mark.parametrize("proxy", ["https://proxy:443", "http://u:hidden@proxy:1", "ws://proxy:1"])
async def test_run__proxy_that_is_none__said_in_words(tmp_path: Path, proxy: str) -> None:
    server = RedisServer(host="127.0.0.1", port=1, username="u", password="p")
    assignment = FeedAssignment(
        account_id=ACCOUNT, feed=ACCOUNT, broker="zerodha", clock="Wall", egress_proxy=proxy
    )
    (tmp_path / "feed.json").write_text(feed_json(assignment))
    (tmp_path / "redis.json").write_text(redis_json(state=server, ticks=server))
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(BadInput, match="egress proxy") as raised,
    ):
        await run(tmp_path, listener)

    assert "hidden" not in str(raised.value)


async def test_way_out__tls_and_proxy__everything_goes_through_it(
    tmp_path: Path, redis: RedisProcess, monkeypatch
) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    names = {name: tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")}
    authority.cert_pem.write_to_path(str(names["ca.pem"]))
    issued.cert_chain_pems[0].write_to_path(str(names["cert.pem"]))
    issued.private_key_pem.write_to_path(str(names["key.pem"]))
    monkeypatch.setenv("SSL_CERT_FILE", str(names["ca.pem"]))
    asked: list[str] = []
    proxy = await asyncio.start_server(lambda r, w: relay(r, w, asked), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"

    options = ["--tls-cert", str(names["cert.pem"]), "--tls-key", str(names["key.pem"])]
    trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=names["ca.pem"]))
    async with (
        proxy,
        simulator(options=options) as own,
        aiohttp.ClientSession(connector=trusting) as http,
    ):
        sim = replace(own, http=http)
        port = sim.base_url("zerodha").rpartition(":")[2]
        async with feed_gateway(
            tmp_path,
            sim,
            redis,
            base_url=f"https://localhost:{port}",
            feed_url=f"wss://localhost:{port}",
            egress_proxy=address,
        ) as feed:
            await feed.want(YESBANK)
            await sim.advance("09:20:00")
            await feed.until(lambda: len(feed.trades()) > 10)
            await feed.until(feed.books)

    assert len(asked) >= 2
    assert set(asked) == {f"CONNECT localhost:{port} HTTP/1.1"}


async def relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[str]
) -> None:
    """One connection through a proxy that takes CONNECT."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    asked.append(head.splitlines()[0])
    host, _, port = head.split(" ")[1].partition(":")
    far_reader, far_writer = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
