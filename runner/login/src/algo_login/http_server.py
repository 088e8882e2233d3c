"""/metrics for Prometheus, /healthz and /readyz for the kubelet."""

from collections.abc import Callable

from aiohttp import web

from algo_login.metrics import Metrics

Check = Callable[[], str]
"""What is wrong, in words; empty: nothing."""


async def serve(*, port: int, metrics: Metrics, alive: Check, ready: Check) -> web.AppRunner:
    """Starts the server; the caller cleans it up."""

    async def figures(_: web.Request) -> web.Response:
        return web.Response(text=metrics.text())

    app = web.Application()
    app.router.add_get("/metrics", figures)
    app.router.add_get("/healthz", _probe(alive))
    app.router.add_get("/readyz", _probe(ready))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - the kubelet comes from outside
    return runner


def _probe(check: Check):  # noqa: ANN202 - aiohttp's own handler type is internal
    async def answer(_: web.Request) -> web.Response:
        wrong = check()
        return web.Response(text=wrong or "ok", status=503 if wrong else 200)

    return answer
