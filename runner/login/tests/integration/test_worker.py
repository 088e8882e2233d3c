"""The worker on a real API server, with the chart's rights, logging in at the real simulator."""

import asyncio
import contextlib
import json
import os
import time
from dataclasses import replace

import aiohttp
import pytest
from algo_contract import names
from algo_contract.envelope.keys import public_text, read_keys, read_private
from algo_contract.envelope.format import key_id_of, record_id_of
from algo_login.reconcile.account import DOUBT_SECONDS
from algo_login.broker_login import BrokerLogin, LoginRefused
from algo_kube.errors import Conflict
from algo_login.login_record import record_text, read_record
from algo_kube.work_queue import Key
from algo_login import metrics
from algo_kube.times import from_timestamp, timestamp
from algo_service.clock import now_us
from algo_login.worker import frames
from support.servers.login_environment import new_key, put_keys, said
from support.servers.sim_server import simulator

pytestmark = pytest.mark.api_server

LOGIN_ROUTES = {"zerodha": "POST /session/token", "dhan": "POST /app/generateAccessToken"}


async def log_ins(sim, broker: str) -> int:
    return (await sim.requests(broker)).get(LOGIN_ROUTES[broker], 0)


async def zerodha_account(world, sim, **spec) -> None:
    sealed = await world.sealed_login("kite", "zerodha")
    urls = {"baseUrl": sim.base_url("zerodha"), "feedUrl": sim.feed_url("zerodha")}
    await world.make("kite", "zerodha", sealedLogin=sealed, **urls, **spec)


async def dhan_account(world, sim, *, pin: str = "", **spec) -> None:
    sealed = await world.sealed_login("dhan", "dhan", **({"pin": pin} if pin else {}))
    urls = {"baseUrl": sim.base_url("dhan"), "feedUrl": sim.feed_url("dhan")}
    await world.make("dhan", "dhan", sealedLogin=sealed, **urls, **spec)


async def test_zerodha__browser_log_in__gives_a_session_for_the_operator(world):
    async with simulator() as sim:
        await world.start()
        await zerodha_account(world, sim)
        waiting = await world.until("kite", lambda b: said(b)["reason"] == "LoginNeeded")
        assert waiting["status"]["loginURL"].startswith(sim.base_url("zerodha") + "/connect/login?")
        assert "simsecret" not in json.dumps(waiting)

        token = await sim.zerodha_request_token()
        await world.patch("kite", sealedCallback=await world.sealed_callback("kite", token))
        body = await world.until("kite", lambda b: said(b)["status"] == "True")

        session = await world.session(body)
        assert (session.api_key, session.client_id) == ("simkey", "SIM001")
        headers = {"Authorization": f"token simkey:{session.access_token}", "X-Kite-Version": "3"}
        async with sim.http.get(f"{sim.base_url('zerodha')}/user/profile", headers=headers) as told:
            assert told.status == 200
        assert from_timestamp(body["status"]["tokenExpiresAt"]) == session.expires_us
        assert abs(from_timestamp(body["status"]["lastLogin"]) - now_us()) < 60_000_000
        assert session.access_token not in json.dumps(body)
        assert world.count(metrics.LOGINS) == 1


async def test_zerodha__callback_refused__is_tried_once_and_said(world):
    async with simulator() as sim:
        worker = await world.start()
        await zerodha_account(
            world, sim, sealedCallback=await world.sealed_callback("kite", "bad1")
        )

        body = await world.until("kite", lambda b: said(b)["reason"] == "LoginRefused")

        assert "status.loginURL" in said(body)["message"]
        assert "bad1" not in json.dumps(body["status"])
        for _ in range(3):
            worker.queue.add(key_of(body))
            await quiet(worker)
        assert await log_ins(sim, "zerodha") == 1
        await world.patch("kite", sealedCallback=await world.sealed_callback("kite", "bad2"))
        await until(lambda: world.count(metrics.REFUSALS) == 2)
        token = await sim.zerodha_request_token()
        await world.patch("kite", sealedCallback=await world.sealed_callback("kite", token))
        await world.until("kite", lambda b: said(b)["status"] == "True")


async def test_zerodha__callback_of_another_account__is_not_used(world):
    async with simulator() as sim:
        worker = await world.start()
        token = await sim.zerodha_request_token()
        stolen = await world.sealed_callback("other", token)
        await zerodha_account(world, sim, sealedCallback=stolen)

        body = await world.until("kite", lambda b: said(b)["reason"] == "LoginRefused")

        assert "sealedCallback cannot be read" in said(body)["message"]
        await quiet(worker)
        assert await log_ins(sim, "zerodha") == 0


async def test_dhan__no_session__logs_in_by_itself_and_tells_no_address_of_others(world):
    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start(ip_echo_url=sim.base_url("dhan"))
        await dhan_account(world, sim, registeredIP="198.51.100.1")

        body = await world.until("dhan", lambda b: said(b)["status"] == "True")

        session = await world.session(body)
        headers = {"access-token": session.access_token, "client-id": session.client_id}
        async with sim.http.get(f"{sim.base_url('dhan')}/v2/profile", headers=headers) as told:
            assert told.status == 200
        await quiet(worker)
        assert "observedIP" not in (await world.get("dhan"))["status"]
        assert "GET /v2/ip/getIP" not in await sim.requests("dhan")
        assert "spec.registeredIP is compared with nothing" in said(body)["message"]


async def test_dhan__wrong_pin__asked_once_even_by_the_next_process(world):
    async with simulator(brokers=("dhan",)) as sim:
        first = await world.start()
        await dhan_account(world, sim, pin="654321")
        body = await world.until("dhan", lambda b: said(b)["reason"] == "LoginRefused")
        assert "654321" not in json.dumps(body)
        await quiet(first)
        await world.stop()

        second = await world.start()
        for _ in range(3):
            second.queue.add(key_of(body))
            await quiet(second)

        assert await log_ins(sim, "dhan") == 1
        await world.patch("dhan", sealedLogin=await world.sealed_login("dhan", "dhan"))
        await world.until("dhan", lambda b: said(b)["status"] == "True")


async def test_dhan__secrets_changed_again_and_again__are_not_tried_one_after_the_other(world):
    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        worker.context.retries.spacing_seconds = 1000.0
        await dhan_account(world, sim, pin="654321")
        body = await world.until("dhan", lambda b: said(b)["reason"] == "LoginRefused")

        for pin in ("111111", "222222"):
            sealed = await world.sealed_login("dhan", "dhan", pin=pin)
            await world.patch("dhan", sealedLogin=sealed)
            await world.until("dhan", lambda b: said(b)["reason"] == "LoginNeeded")
            await quiet(worker)

        assert await log_ins(sim, "dhan") == 1
        worker.context.retries.spacing_seconds = 0.0
        worker.queue.add(key_of(body))
        await until(lambda: world.count(metrics.REFUSALS) == 2)


async def test_dhan__refusal_not_written_down__is_not_tried_again(world, monkeypatch):
    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        real, failed = worker.context.kube.patch, asyncio.Event()

        async def once_in_vain(*where, **more):
            if not failed.is_set():
                failed.set()
                raise Conflict("somebody wrote meanwhile")
            return await real(*where, **more)

        monkeypatch.setattr(worker.context.kube, "patch", once_in_vain)
        await dhan_account(world, sim, pin="654321")

        await world.until("dhan", lambda b: said(b)["reason"] == "LoginRefused")

        assert failed.is_set()
        assert await log_ins(sim, "dhan") == 1


async def test_dhan__broker_away__waits_and_does_not_hammer(world):
    async with simulator(brokers=("dhan",)) as sim:
        await sim.fault("dhan", "server_error", on="any", times=1000)
        worker = await world.start()
        await dhan_account(world, sim)

        body = await world.until("dhan", lambda b: said(b)["reason"] == "LoginUnreachable")

        for _ in range(5):
            worker.queue.add(key_of(body))
            await quiet(worker)
        assert world.count(metrics.FAILURES) == 1
        await sim.clear_faults()
        worker.context.retries.failures[body["metadata"]["uid"]].until = 0.0
        worker.queue.add(key_of(body))
        await world.until("dhan", lambda b: said(b)["status"] == "True")


async def test_dhan__session_asked_for_anew__is_renewed_by_log_in(world):
    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        await dhan_account(world, sim)
        body = await world.until("dhan", lambda b: said(b)["status"] == "True")
        first = body["spec"]["sealedSession"]
        await make_older(world, "dhan", seconds=120)
        await quiet(worker)

        asked = {names.LOGIN_REQUESTED_ANNOTATION: timestamp(now_us() - 1_000_000)}
        await world.patch("dhan", annotations=asked)

        await world.until("dhan", lambda b: b["spec"]["sealedSession"] != first)


async def test_dhan__asked_for_anew_and_the_broker_away__does_not_say_logged_in(world):
    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        await dhan_account(world, sim)
        await world.until("dhan", lambda b: said(b)["status"] == "True")
        await make_older(world, "dhan", seconds=120)
        await quiet(worker)
        await sim.fault("dhan", "server_error", on="any", times=1000)

        asked = {names.LOGIN_REQUESTED_ANNOTATION: timestamp(now_us() - 1_000_000)}
        await world.patch("dhan", annotations=asked)

        body = await world.until("dhan", lambda b: said(b)["reason"] == "LoginUnreachable")
        await sim.clear_faults()
        worker.context.retries.failures[body["metadata"]["uid"]].until = 0.0
        worker.queue.add(key_of(body))
        await world.until("dhan", lambda b: said(b)["status"] == "True")


async def test_zerodha__asked_for_anew__says_that_a_person_must_log_in_now(world):
    async with simulator() as sim:
        worker = await world.start()
        token = await sim.zerodha_request_token()
        callback = await world.sealed_callback("kite", token)
        await zerodha_account(world, sim, sealedCallback=callback)
        await world.until("kite", lambda b: said(b)["status"] == "True")
        await make_older(world, "kite", seconds=120)
        await quiet(worker)

        asked = {names.LOGIN_REQUESTED_ANNOTATION: timestamp(now_us() - 1_000_000)}
        await world.patch("kite", annotations=asked)

        body = await world.until("kite", lambda b: said(b)["reason"] == "LoginNeeded")
        assert "now (the session is over)" in said(body)["message"]
        assert body["status"]["loginURL"].startswith(sim.base_url("zerodha") + "/connect/login?")
        assert await log_ins(sim, "zerodha") == 1
        token = await sim.zerodha_request_token()
        await world.patch("kite", sealedCallback=await world.sealed_callback("kite", token))
        await world.until("kite", lambda b: said(b)["status"] == "True")


async def test_worker__second_pass_with_nothing_changed__writes_nothing(world):
    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        await dhan_account(world, sim)
        await world.until("dhan", lambda b: said(b)["status"] == "True")
        await quiet(worker)
        before = (await world.get("dhan"))["metadata"]["resourceVersion"]

        for _ in range(3):
            worker.queue.add(key_of(await world.get("dhan")))
            await quiet(worker)

        assert (await world.get("dhan"))["metadata"]["resourceVersion"] == before


async def test_worker__other_writers_conditions__stay(world):
    async with simulator(brokers=("dhan",)) as sim:
        await dhan_account(world, sim)
        body = await world.get("dhan")
        ready = {"type": "Ready", "status": "True", "reason": "Here", "message": "It is."}
        ready |= {"lastTransitionTime": "2026-11-20T00:00:00Z", "observedGeneration": 1}
        path = f"/apis/algotrading.io/v1alpha1/namespaces/{world.namespace}/brokeraccounts/dhan"
        status = {"id": "brk_x", "phase": "READY", "conditions": [ready]}
        await world.request("PUT", f"{path}/status", body | {"status": status})
        await world.start()

        body = await world.until("dhan", lambda b: said(b)["status"] == "True")

        assert ready in body["status"]["conditions"]
        assert (body["status"]["id"], body["status"]["phase"]) == ("brk_x", "READY")


async def test_worker__host_not_allowed__is_sent_nothing(world):
    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        sealed = await world.sealed_login("dhan", "dhan")
        elsewhere = sim.base_url("dhan").replace("127.0.0.1", "localhost")
        await world.make("dhan", "dhan", sealedLogin=sealed, baseUrl=elsewhere)

        body = await world.until("dhan", lambda b: said(b)["reason"] == "AddressNotAllowed")

        await quiet(worker)
        assert "brokerUrlAllowlist" in said(body)["message"]
        assert await log_ins(sim, "dhan") == 0


@pytest.mark.parametrize("wrong", ["other account", "damaged", "unknown key", "no envelope"])
async def test_worker__envelope_unreadable__said_in_words(world, wrong):
    if wrong == "unknown key":
        new_key(world.folder / "login", "9999")
    sealed = await world.sealed_login("elsewhere" if wrong == "other account" else "dhan", "dhan")
    if wrong == "unknown key":
        (world.folder / "login" / "9999").unlink()
    if wrong in {"damaged", "no envelope"}:
        sealed = sealed[:-2] + "AA" if wrong == "damaged" else "c2VjcmV0"
    worker = await world.start()
    await world.make("dhan", "dhan", sealedLogin=sealed)

    body = await world.until("dhan", lambda b: said(b)["reason"] == "EnvelopeUnreadable")

    assert "Seal it again with algo-seal for the account dhan" in said(body)["message"]
    await quiet(worker)


async def test_worker__new_login_key__is_published_and_log_ins_re_wrapped(world):
    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        await dhan_account(world, sim)
        body = await world.until("dhan", lambda b: said(b)["status"] == "True")
        old = body["spec"]["sealedLogin"]

        new_key(world.folder / "login", "2027-01-04")
        current = read_keys(world.folder / "login").current.public
        await worker._publish_once()
        body = await world.until("dhan", lambda b: b["spec"]["sealedLogin"] != old)

        moved = body["spec"]["sealedLogin"]
        assert key_id_of(moved) == current.id.hex()
        assert record_id_of(moved) == record_id_of(old)
        (world.folder / "login" / "0001").unlink()
        await quiet(worker)
        assert said(await world.get("dhan"))["status"] == "True"
        assert await log_ins(sim, "dhan") == 1


async def test_worker__start__publishes_its_key_over_a_strangers(world):
    stranger = public_text(read_private("x", os.urandom(32)).public)
    session = public_text(world.session_keys.current.public)
    await put_keys(world, {"login.pub": stranger, "session.pub": session})

    await world.start()

    path = "/api/v1/namespaces/algo-system/configmaps/algo-seal-keys"
    data = (await world.request("GET", path))["data"]
    own = public_text(read_keys(world.folder / "login").current.public)
    assert (data["login.pub"].strip(), data["session.pub"]) == (own, session)
    assert world.count(metrics.FOREIGN_KEYS) == 1


async def test_worker__operator_has_published_no_key__no_log_in_is_wasted(world):
    async with simulator(brokers=("dhan",)) as sim:
        await put_keys(world, {})
        await world.start()
        await dhan_account(world, sim)
        await until(lambda: world.count(metrics.PASSES_FAILED))
        assert await log_ins(sim, "dhan") == 0

        keys = {"session.pub": public_text(world.session_keys.current.public)}
        await put_keys(world, keys)

        await world.until("dhan", lambda b: said(b)["status"] == "True")
        assert await log_ins(sim, "dhan") == 1


async def test_worker__session_not_written_down__is_kept_and_no_second_log_in(world, monkeypatch):
    async with simulator() as sim:
        worker = await world.start()
        token = await sim.zerodha_request_token()
        real, failed = worker.context.kube.patch, asyncio.Event()

        async def once_in_vain(*where, **more):
            if "sealedSession" in where[-1].get("spec", {}) and not failed.is_set():
                failed.set()
                raise Conflict("somebody wrote meanwhile")
            return await real(*where, **more)

        monkeypatch.setattr(worker.context.kube, "patch", once_in_vain)
        callback = await world.sealed_callback("kite", token)
        await zerodha_account(world, sim, sealedCallback=callback)

        await world.until("kite", lambda b: said(b)["status"] == "True")

        assert failed.is_set()
        assert await log_ins(sim, "zerodha") == 1


async def test_worker__brokers_it_does_not_know__are_left_alone(world):
    worker = await world.start()
    await world.make("paper", "paper")
    await world.make("angel", "angelone", sealedLogin="abc")
    await until(lambda: len(worker.watch.objects) >= 2)
    await quiet(worker)

    for name in ("paper", "angel"):
        assert "status" not in await world.get(name)


async def test_worker__address__asked_of_the_platforms_echo(world):
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n203.0.113.7\r\n")
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(echo, "127.0.0.1", 0) as server,
        egress_proxy() as (through, _),
        simulator() as sim,
    ):
        port = server.sockets[0].getsockname()[1]
        await world.start(ip_echo_url=f"http://127.0.0.1:{port}/")
        await zerodha_account(world, sim, egressProxy=through)

        body = await world.until("kite", lambda b: b["status"].get("observedIP"))

    assert body["status"]["observedIP"] == "203.0.113.7"


async def test_worker__egress_proxy__every_question_goes_through_it(world):
    async with egress_proxy() as (through, asked), simulator(brokers=("dhan",)) as sim:
        await sim.settings("dhan", registered_ip="127.0.0.1")
        await world.start()
        await dhan_account(world, sim, egressProxy=through)

        body = await world.until("dhan", lambda b: b["status"].get("observedIP"))

        assert body["status"]["observedIP"] == "127.0.0.1"
        assert said(body)["status"] == "True"
        assert asked
        assert {f"http://{each.decode()}" for each in asked} == {sim.base_url("dhan")}


async def test_worker__address_not_told_again__the_known_one_stays(world):
    async with egress_proxy() as (through, _), simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        await dhan_account(world, sim, egressProxy=through)
        body = await world.until("dhan", lambda b: b["status"].get("observedIP"))
        seen, uid = worker.context.retries.observed, body["metadata"]["uid"]

        nowhere = "http://127.0.0.1:1"
        await world.patch("dhan", egressProxy=nowhere)
        await until(lambda: seen[uid][0] == nowhere)
        await quiet(worker)

        body = await world.get("dhan")
        assert body["status"]["observedIP"] == "127.0.0.1"
        assert said(body)["status"] == "True"  # the session lives on
        seen.clear()
        worker.queue.add(key_of(body))
        await until(lambda: uid in seen)
        await quiet(worker)
        again = await world.get("dhan")
        assert again["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"]

        await world.patch("dhan", egressProxy=None)
        await world.until("dhan", lambda b: "observedIP" not in b["status"])


async def test_worker__egress_proxy_inside__is_asked_nothing(world):
    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        await dhan_account(world, sim, egressProxy="http://redis-ticks.algo-system:6379")

        body = await world.until("dhan", lambda b: said(b)["reason"] == "AddressNotAllowed")

        await quiet(worker)
        assert said(body)["message"].startswith("egressProxy names the host redis-ticks")
        assert await log_ins(sim, "dhan") == 0


@contextlib.asynccontextmanager
async def egress_proxy():
    """A proxy that takes CONNECT: its address, and what it was asked for."""
    asked: list[bytes] = []

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b" ")[1])
        host, port = asked[-1].decode().split(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_worker__probes_and_metrics__tell_how_it_is(world):
    worker = await world.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{worker.port}") as http:
        for path in ("/healthz", "/readyz"):
            async with http.get(path) as answer:
                assert (answer.status, (await answer.json())["ok"]) == (200, True)
        async with http.get("/metrics") as answer:
            assert "algo_login_logins_total" in await answer.text()
        worker.watch.alive_at -= 1000
        async with http.get("/healthz") as answer:
            assert answer.status == 503
            assert "no sign of the API server" in await answer.text()


async def make_older(world, name: str, *, seconds: int) -> None:
    """As if the session had been made so long ago."""
    body = await world.get(name)
    text = body["metadata"]["annotations"][names.LOGIN_NOTE_ANNOTATION]
    record = read_record(text)
    older = replace(record, issued_us=record.issued_us - seconds * 1_000_000)
    await world.patch(name, annotations={names.LOGIN_NOTE_ANNOTATION: record_text(older)})


def key_of(body):
    return Key(names.ACCOUNT_KIND, body["metadata"]["namespace"], body["metadata"]["name"])


async def until(fact, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110 - what others do is looked at
            await asyncio.sleep(0.02)


async def quiet(worker) -> None:
    """Until nothing is to be looked at now."""
    queue = worker.queue
    await until(
        lambda: (
            not queue.running()
            and not queue.depth()
            and all(when > time.monotonic() for when, _ in queue._due.values())
        )
    )


async def test_dhan__log_in_that_was_good_is_refused__is_tried_twice_more_and_no_restart_adds_one(
    world, monkeypatch
):
    """A broker's log-in service that is down refuses what it took before."""
    tries = 0

    async def refuses(*_, **__):
        nonlocal tries
        tries += 1
        raise LoginRefused("Service temporarily unavailable")

    async with simulator(brokers=("dhan",)) as sim:
        worker = await world.start()
        await dhan_account(world, sim)
        body = await world.until("dhan", lambda b: said(b)["status"] == "True")
        await make_older(world, "dhan", seconds=120)
        await quiet(worker)
        with monkeypatch.context() as patch:
            patch.setattr(BrokerLogin, "log_in", refuses)
            patch.setattr(BrokerLogin, "renew", refuses)
            asked = {names.LOGIN_REQUESTED_ANNOTATION: timestamp(now_us())}
            await world.patch("dhan", annotations=asked)
            body = await world.until("dhan", lambda b: said(b)["reason"] == "LoginUnreachable")
            assert "took before: Service temporarily unavailable" in said(body)["message"]
            failure = worker.context.retries.failures[body["metadata"]["uid"]]
            assert failure.until - time.monotonic() > DOUBT_SECONDS - 60

            await world.stop()
            worker = await world.start()
            await until(lambda: tries == 2)
            await quiet(worker)
            worker.context.retries.failures.clear()
            worker.queue.add(key_of(body))
            await world.until("dhan", lambda b: said(b)["reason"] == "LoginRefused")
            worker.queue.add(key_of(body))
            await quiet(worker)
    assert tries == 3


def test_frames__of_an_error__hold_places_and_not_its_words():
    try:
        raise ValueError("s3cret")
    except ValueError as error:
        where = frames(error)

    assert "test_worker.py" in where[0]
    assert "s3cret" not in "".join(where)
