"""Watches that fail for minutes recover, and one that is dead is noticed."""

import asyncio
import contextlib
import dataclasses
import json

import aiohttp
import pytest
from aiohttp import web
from algo_kube.errors import ControllerError
from algo_kube.config import Access
from algo_kube.client import Kube
from algo_kube.resources import LEASES, PODS, STRATEGIES
from algo_operator.wiring import MANAGER
from algo_kube.cache import ObjectName, ObjectCache
from algo_kube.watcher import Watch, run_watch

pytestmark = pytest.mark.api_server


class Proxy:
    """Stands between operator and API server; can break what is asked of it."""

    def __init__(self, access: Access) -> None:
        self.target = access
        self.fail_lists = 0
        self.end_watches = asyncio.Event()
        self.mute = ""
        """Watches of this plural are accepted and then say nothing."""

    async def __aenter__(self) -> Access:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self.target.tls or False)
        )
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return dataclasses.replace(
            self.target, server=f"http://127.0.0.1:{self.runner.addresses[0][1]}", tls=None
        )

    async def __aexit__(self, *_: object) -> None:
        self.end_watches.set()
        await self.runner.cleanup()
        await self.session.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        watched = request.query.get("watch") == "true"
        listed = (
            request.method == "GET"
            and not watched
            and ("limit" in request.query or request.path.endswith("s"))
        )
        if (
            self.fail_lists
            and listed
            and request.path.rsplit("/", 1)[-1] in {"tradingstrategies", "brokeraccounts", "pods"}
        ):
            self.fail_lists -= 1
            return web.json_response(
                {"kind": "Status", "code": 500, "message": "etcd has no leader"}, status=500
            )
        url = self.target.server + request.path_qs
        body = await request.read()
        headers = {
            k: v for k, v in request.headers.items() if k.lower() not in {"host", "content-length"}
        }
        async with self.session.request(
            request.method,
            url,
            data=body or None,
            headers=headers,
            skip_auto_headers=("Content-Type",),
        ) as answer:
            kept = {
                k: v
                for k, v in answer.headers.items()
                if k.lower() in {"content-type", "retry-after"}
            }
            if not watched:
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                await self._stream(request, answer, response)
            return response

    async def _stream(self, request, answer, response) -> None:
        ended = asyncio.create_task(self.end_watches.wait())
        try:
            while True:
                line = asyncio.create_task(answer.content.readline())
                await asyncio.wait({line, ended}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    line.cancel()
                    error = {"kind": "Status", "code": 410, "message": "too old", "metadata": {}}
                    gone = json.dumps({"type": "ERROR", "object": error}).encode() + b"\n"
                    await response.write(gone)
                    return
                if not line.result():
                    return
                if not (self.mute and self.mute in request.path):
                    await response.write(line.result())
        finally:
            ended.cancel()


@pytest.fixture
async def proxy(access):
    return Proxy(access)


def pod(name: str) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"watched": "yes"}},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }


async def eventually(what, seconds: float = 20) -> None:
    for _ in range(round(seconds / 0.05)):
        if what():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not happen")


async def test_our_watch_recovers_from_a_re_list_that_keeps_failing(world, proxy):
    tenant = await world.tenant()
    async with proxy as access:
        objects = ObjectCache()
        kube = Kube(access, manager="algo-operator")
        watch = Watch(
            kube=kube,
            resource=PODS,
            objects=objects,
            changed=lambda *_: None,
            selector="watched=yes",
        )
        task = asyncio.create_task(run_watch(watch))
        await asyncio.wait_for(watch.synced.wait(), 10)
        await world.kube.create(PODS, tenant, pod("a"))
        await eventually(lambda: objects.get(ObjectName(tenant, "a")))

        proxy.fail_lists = 6
        proxy.end_watches.set()
        await asyncio.sleep(0.2)
        proxy.end_watches = asyncio.Event()
        await world.kube.create(PODS, tenant, pod("b"))
        await world.kube.delete(PODS, tenant, "a", grace_seconds=0)

        await eventually(
            lambda: (
                objects.get(ObjectName(tenant, "b")) and not objects.get(ObjectName(tenant, "a"))
            )
        )
        assert proxy.fail_lists == 0
        task.cancel()
        await kube.close()


async def test_kopf_recovers_from_a_re_list_that_keeps_failing(world, proxy):
    """Kopf 1.44.6 gave up after 54 s of it, silently; its own delays would here be over at once."""
    tenant = await world.tenant()
    async with proxy as access:
        operator = await world.start(access=access, audit_seconds=1000)
        await asyncio.sleep(0.5)

        proxy.fail_lists = 12  # more answers than Kopf's own patience has attempts
        proxy.end_watches.set()
        await asyncio.sleep(0.3)
        proxy.end_watches = asyncio.Event()
        await world.strategy(tenant, "m1")

        await eventually(
            lambda: operator.context.strategies.get(ObjectName(tenant, "m1")), seconds=90
        )
        assert operator.exit_code == 0
        assert not operator.health.problems(operator.health.alive)
        await world.stop()


async def test_a_dead_watch_is_noticed_healed_and_ends_the_operator(world, proxy):
    tenant = await world.tenant()
    async with proxy as access:
        proxy.mute = "tradingstrategies"
        operator = await world.start(access=access, audit_seconds=0.3, watch_stale_seconds=2)

        await world.strategy(tenant, "m1")

        body = await world.until(
            STRATEGIES,
            tenant,
            "m1",
            lambda b: b["status"]["conditions"][0]["reason"] == "Scheduled",
        )
        assert body, "what the watch missed was fetched by the audit"
        await eventually(
            lambda: "watch tradingstrategies" in operator.health.problems(operator.health.alive)
        )
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{operator.port}/healthz") as answer:
                assert answer.status == 503
                assert "behind" in await answer.text()
            async with session.get(f"http://127.0.0.1:{operator.port}/metrics") as answer:
                assert "algo_kube_watch_age_seconds" in await answer.text()
        code = await asyncio.wait_for(world.running, 40)
        assert code == 1
        world.operator = world.running = None


async def test_a_second_operator_waits_and_takes_over(world):
    first = await world.start()
    running = world.running
    tenant = await world.tenant()
    waiting = asyncio.create_task(world.start())
    await asyncio.sleep(3)
    assert not waiting.done()
    assert world.operator is not first

    first.stop.set()
    assert await asyncio.wait_for(running, 15) == 0
    await asyncio.wait_for(waiting, 15)

    await world.strategy(tenant, "m1")
    await world.until(STRATEGIES, tenant, "m1", lambda b: b["status"]["id"])


async def test_an_operator_without_its_lease_writes_nothing_and_ends(world, proxy):
    tenant = await world.tenant()
    operator = await world.start()
    running = world.running
    taken = {"spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 600}}
    await world.kube.patch(LEASES, "algo-system", MANAGER, taken)
    code = await asyncio.wait_for(running, 20)

    assert code == 1
    assert not operator.context.leadership.held
    await world.strategy(tenant, "m1")
    await asyncio.sleep(1)
    assert not (await world.get(STRATEGIES, tenant, "m1")).get("status")
    world.operator = world.running = None
    await world.kube.delete(LEASES, "algo-system", MANAGER)


async def test_the_api_server_away_for_a_while(world, api_server):
    tenant = await world.tenant()
    operator = await world.start(lease_seconds=60, lease_renew_seconds=1, audit_seconds=1000)
    api_server.stop()
    await asyncio.sleep(8)
    api_server.start()
    for _ in range(300):
        try:
            await world.strategy(tenant, "m1")
            break
        except ControllerError:
            await asyncio.sleep(0.2)

    await world.until(STRATEGIES, tenant, "m1", lambda b: b["status"]["id"], seconds=40)
    assert operator.exit_code == 0
