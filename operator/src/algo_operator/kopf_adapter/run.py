"""Kopf as a waker: two kinds watched cluster-wide, each event handed to a callback.

Nothing is decided here. Kopf runs inside our event loop as one task; the tasks it makes for its
watches are known by name, so that one which ended can be noticed.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import kopf
from algo_kube.config import Access
from algo_kube.resources import Json, Resource
from algo_service.logging import get_logger

from algo_operator.kopf_adapter.settings import kopf_settings

log = get_logger(__name__)

Deliver = Callable[[Json, bool], None]
"""Told of each object delivered, and whether it is gone."""

WATCHER_PREFIX: Final = "watcher for "
_END_SECONDS: Final = 3.0
_RETRY_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.1
_BEGIN_SECONDS: Final = 120.0


async def run_kopf(
    access: Access, watched: dict[Resource, Deliver], *, stop: asyncio.Event
) -> None:
    """Run until `stop`; raises when Kopf cannot go on.

    Kopf looks for its resources once. An API server that has just started may not list our CRDs
    yet, and then nothing would ever be watched (measured with 1.45.2): so Kopf begins again until
    its watches run. It is not run by `kopf.operator`: when that ends it cancels every task made
    since it began, whoever made it ("TODO: an assumption! the loop is not fully ours!").
    """
    while not stop.is_set():
        sessions: list[aiohttp.ClientSession] = []
        registry = _registry(access, watched, sessions)
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
            if await _begins(tasks, len(watched)):
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                return
            log.warning("kopf_begun_anew")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_END_SECONDS)
            for session in sessions:
                await session.close()


def _registry(
    access: Access, watched: dict[Resource, Deliver], sessions: list[aiohttp.ClientSession]
) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login(access, sessions))
    for resource, deliver in watched.items():
        place = (resource.group, resource.version, resource.plural)
        kopf.on.event(*place, registry=registry)(_handler(deliver))
    return registry


async def _begins(tasks: set[asyncio.Task[None]], expected: int) -> bool:
    """Whether all watches run within the time they have, or one of Kopf's tasks has ended."""
    deadline = time.monotonic() + _RETRY_SECONDS
    while time.monotonic() < deadline:
        if _alive() >= expected or any(task.done() for task in tasks):
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False


def _alive() -> int:
    return sum(
        task.get_name().startswith(WATCHER_PREFIX) and not task.done()
        for task in asyncio.all_tasks()
    )


@dataclass(slots=True)
class WatcherCheck:
    """Whether Kopf's watches run. They are known by their tasks' names: internal, so tested."""

    expected: int
    since: float = field(default_factory=time.monotonic)
    begun: bool = False

    def problem(self) -> str:
        """Why they are not as they should be, or nothing; they have time to begin."""
        if _alive() >= self.expected:
            self.begun = True
            return ""
        if self.begun:
            return "a watch of Kopf has ended"
        if time.monotonic() - self.since > _BEGIN_SECONDS:
            return "the watches of Kopf do not begin"
        return ""


def _handler(deliver: Deliver) -> Callable[..., Any]:
    async def on_event(event: Any, **_: Any) -> None:
        deliver(dict(event["object"]), event["type"] == "DELETED")

    return on_event


def _login(access: Access, sessions: list[aiohttp.ClientSession]) -> Callable[..., Any]:
    """Our own way in; read again whenever Kopf is refused, because the kubelet rotates tokens."""

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
