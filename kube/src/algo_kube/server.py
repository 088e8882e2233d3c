"""One HTTP server: /metrics for Prometheus, /healthz and /readyz for the kubelet."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from algo_kube import metrics
from algo_kube.health import Check, Health


async def serve(health: Health, *, port: int) -> web.AppRunner:
    """Start the server; the caller cleans it up."""
    app = web.Application()
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/healthz", _probe(health, health.alive))
    app.router.add_get("/readyz", _probe(health, health.ready))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - the kubelet and Prometheus come from outside
    return runner


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(
        body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


def _probe(health: Health, checks: dict[str, Check]):  # noqa: ANN202 - aiohttp's own handler type is internal
    async def answer(_request: web.Request) -> web.Response:
        problems = health.problems(checks)
        return web.json_response(
            {"ok": not problems, "problems": problems}, status=503 if problems else 200
        )

    return answer
