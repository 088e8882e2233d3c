"""The canary for dead watches: what the API server has, against what a watch has delivered.

Kopf's watches cannot be asked how they are. So the versions of all objects are listed (metadata
only) every half minute; an object whose newest version the watch has not delivered for longer
than the limit proves the watch dead. `/healthz` then fails and the process ends. Until then
what the watch missed is fetched here, so nothing is acted on late.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Never

from algo_service.logging import get_logger

from algo_kube import metrics
from algo_kube.cache import FOR_GOOD, ObjectCache, ObjectName, name_of, version_of
from algo_kube.client import Kube
from algo_kube.errors import ControllerError
from algo_kube.fields import rows
from algo_kube.resources import Json, Resource

log = get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Audit:
    """One kind of object under audit."""

    kube: Kube
    resource: Resource
    objects: ObjectCache
    changed: Callable[[Json, bool], None]
    behind: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    """By uid: the version not delivered yet, and since when."""

    @property
    def age(self) -> float:
        """How long the watch has owed us something, in seconds."""
        owed = [since for uid, (version, since) in self.behind.items() if self._owes(uid, version)]
        return time.monotonic() - min(owed) if owed else 0.0

    def _owes(self, uid: str, version: int) -> bool:
        return self.objects.delivered(uid) < version

    async def run(self, interval: float) -> Never:
        """Audit forever."""
        while True:
            await asyncio.sleep(interval)
            try:
                await self.once()
            except ControllerError as error:
                log.warning("audit_failed", resource=self.resource.plural, error=str(error))
            metrics.WATCH_AGE.labels(self.resource.plural).set(self.age)

    async def once(self) -> None:
        """Compare all objects; fetch those of which the watch owes us news."""
        listed = await self._versions()
        now, behind = time.monotonic(), dict[str, tuple[int, float]]()
        for uid, (version, name) in listed.items():
            if not self._owes(uid, version):
                continue
            known = self.behind.get(uid)
            behind[uid] = (
                known if known is not None and self._owes(uid, known[0]) else (version, now)
            )
            await self._fetch(name)
        self.behind = behind
        for body in self.objects.values():
            if body["metadata"]["uid"] not in listed:
                await self._fetch(name_of(body))

    async def load(self) -> None:
        """Fill the cache for the first time, before any watch runs."""
        async for page in self.kube.list_pages(self.resource):
            for body in rows(page, "items"):
                body.setdefault("apiVersion", self.resource.api_version)
                body.setdefault("kind", self.resource.kind)
                if self.objects.put(body):
                    self.changed(body, False)

    async def _versions(self) -> dict[str, tuple[int, ObjectName]]:
        listed: dict[str, tuple[int, ObjectName]] = {}
        async for page in self.kube.list_pages(self.resource, metadata_only=True):
            for body in rows(page, "items"):
                listed[body["metadata"]["uid"]] = (version_of(body), name_of(body))
        return listed

    async def _fetch(self, name: ObjectName) -> None:
        body = await self.kube.find(self.resource, name.namespace, name.name)
        if body is not None:
            if self.objects.put(body):
                self.changed(body, False)
        elif (old := self.objects.get(name)) is not None and self.objects.remove(old, at=FOR_GOOD):
            self.changed(old, True)
