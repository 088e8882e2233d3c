"""Kopf as a waker: two kinds watched cluster-wide, each event handed to a callback.

Nothing is decided here. Kopf runs inside our event loop as one task; the tasks it makes for its
watches are known by name, so that one which ended can be noticed.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import kopf

from algo_operator.kopf_adapter.settings import kopf_settings
from algo_operator.kube.access import Access
from algo_operator.kube.resources import Json, Resource

Deliver = Callable[[Json, bool], None]
"""Told of each object delivered, and whether it is gone."""

WATCHER_PREFIX: Final = "watcher for "
_END_SECONDS: Final = 3.0


async def run_kopf(
    access: Access, watched: dict[Resource, Deliver], *, stop: asyncio.Event
) -> None:
    """Run until `stop`; raises when Kopf cannot go on.

    Not by `kopf.operator`: when that ends it cancels every task made since it began, whoever
    made it ("TODO: an assumption! the loop is not fully ours!", kopf 1.45.2).
    """
    registry = kopf.OperatorRegistry()
    sessions: list[aiohttp.ClientSession] = []
    kopf.on.login(registry=registry)(_login(access, sessions))
    for resource, deliver in watched.items():
        kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(
            _handler(deliver)
        )
    tasks = set(
        await kopf.spawn_tasks(
            registry=registry,
            settings=kopf_settings(),
            clusterwide=True,
            standalone=True,
            stop_flag=stop,
        )
    )
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_END_SECONDS)
        for session in sessions:
            await session.close()


def dead_watchers(expected: int) -> bool:
    """Whether fewer watches run than there should be: one has ended for good."""
    alive = [
        task
        for task in asyncio.all_tasks()
        if task.get_name().startswith(WATCHER_PREFIX) and not task.done()
    ]
    return len(alive) < expected


def _handler(deliver: Deliver) -> Callable[..., Any]:
    async def on_event(event: Any, **_: Any) -> None:
        deliver(dict(event["object"]), event["type"] == "DELETED")

    return on_event


def _login(access: Access, sessions: list[aiohttp.ClientSession]) -> Callable[..., Any]:
    """Our own way in; read anew whenever Kopf is refused, because the kubelet rotates tokens."""

    async def log_in(**_: Any) -> kopf.AiohttpSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=access.tls or False),
            headers=access.headers(),
        )
        sessions.append(session)
        return kopf.AiohttpSession(
            aiohttp_session=session, server=access.server, default_namespace=None
        )

    return log_in
