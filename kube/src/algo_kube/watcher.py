"""A selector-based list and watch that never gives up.

Kopf lists without a selector would bring every pod of the cluster, so runner pods, tenant
namespaces and nodes are watched here: pages of 500, bookmarks, a new list after 410, and any
error tried again forever with jitter.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Never

from algo_service.backoff import jittered
from algo_service.logging import get_logger

from algo_kube import metrics
from algo_kube.cache import FOR_GOOD, ObjectCache, version_of
from algo_kube.client import Kube
from algo_kube.errors import ControllerError, Expired, KubeUnavailable
from algo_kube.fields import rows
from algo_kube.resources import Json, Resource

log = get_logger(__name__)

STREAM_SECONDS: Final = 290
_FIRST_DELAY: Final = 0.2
_LONGEST_DELAY: Final = 10.0


@dataclass(slots=True, kw_only=True)
class Watch:
    """One watch: what it follows and how far it is."""

    kube: Kube
    resource: Resource
    objects: ObjectCache
    changed: Callable[[Json, bool], None]
    """Told of each change: the object, and whether it is gone."""

    selector: str = ""
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    alive_at: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since the last sign of life; bookmarks come each minute."""
        return time.monotonic() - self.alive_at

    def touch(self) -> None:
        """Note a sign of life."""
        self.alive_at = time.monotonic()


async def run_watch(watch: Watch) -> Never:
    """Keep the objects in step with the API server, forever."""
    since, delay = "", _FIRST_DELAY
    while True:
        try:
            if not since:
                since = await _list(watch)
                watch.synced.set()
            since = await _stream(watch, since)
            delay = _FIRST_DELAY
        except Expired:
            since = ""
        except ControllerError as error:
            log.warning("watch_interrupted", resource=watch.resource.plural, error=str(error))
            metrics.WATCH_RESTARTS.labels(watch.resource.plural).inc()
            await asyncio.sleep(jittered(delay, spread=0.5))
            delay = min(delay * 2, _LONGEST_DELAY)


async def _list(watch: Watch) -> str:
    found: set[str] = set()
    version = ""
    async for page in watch.kube.list_pages(watch.resource, selector=watch.selector):
        watch.touch()
        version = page["metadata"]["resourceVersion"]
        for body in rows(page, "items"):
            found.add(body["metadata"]["uid"])
            _deliver(watch, body)
    listed_at = int(version) if version.isdigit() else FOR_GOOD
    for body in watch.objects.values():
        if body["metadata"]["uid"] in found or version_of(body) > listed_at:
            continue  # there, or made by us after the list was
        if watch.objects.remove(body, at=listed_at):
            watch.changed(body, True)
    return version


async def _stream(watch: Watch, since: str) -> str:
    async with watch.kube.watch(
        watch.resource, selector=watch.selector, since=since, seconds=STREAM_SECONDS
    ) as events:
        watch.touch()
        async for event in events:
            watch.touch()
            since = _take(watch, event) or since
    return since


def _take(watch: Watch, event: Json) -> str | None:
    body: Json = event["object"]
    match event["type"]:
        case "ERROR" if body.get("code") == 410:
            raise Expired(str(body.get("message", "")))
        case "ERROR":
            raise KubeUnavailable(str(body.get("message", "the watch failed")))
        case "DELETED":
            watch.objects.remove(body)
            watch.changed(body, True)
        case "ADDED" | "MODIFIED":
            _deliver(watch, body)
        case _:
            pass
    return body["metadata"].get("resourceVersion")


def _deliver(watch: Watch, body: Json) -> None:
    if watch.objects.deliver(body):
        watch.changed(body, False)
