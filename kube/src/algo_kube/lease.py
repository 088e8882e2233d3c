"""A controller's own Lease: whoever does not hold it in time writes nothing and ends.

Kopf's peering is a courtesy between operators, not a lock. The holder's own monotonic clock
decides when the Lease must be taken as lost, before others may take it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Never

from algo_service.clock import Clock
from algo_service.logging import get_logger

from algo_kube import metrics
from algo_kube.client import Kube
from algo_kube.errors import AlreadyExists, Conflict, ControllerError, LeadershipLost
from algo_kube.fields import section
from algo_kube.resources import LEASES, Json
from algo_kube.times import timestamp

log = get_logger(__name__)


class Leadership:
    """Who may act. `check` is called before every write."""

    def __init__(self, *, seconds: int) -> None:
        """Not held yet."""
        self._seconds = seconds
        self._held_until = float("-inf")

    @property
    def held(self) -> bool:
        """Whether this process may act now: two thirds of the Lease's time after a renewal."""
        return time.monotonic() < self._held_until

    def check(self) -> None:
        """Refuse to act without the Lease.

        Raises:
            LeadershipLost: it is not ours (any more).
        """
        if not self.held:
            raise LeadershipLost("the Lease is not held")

    def renewed(self, asked_at: float) -> None:
        """The API server has confirmed a renewal asked for at that moment."""
        self._held_until = asked_at + self._seconds * 2 / 3

    def released(self) -> None:
        """Nothing more may be written."""
        self._held_until = float("-inf")


class LeaseKeeper:
    """Acquires, renews and releases the Lease; its client is not guarded by it."""

    def __init__(
        self,
        kube: Kube,
        leadership: Leadership,
        clock: Clock,
        *,
        namespace: str,
        name: str,
        holder: str,
    ) -> None:
        """Take nothing yet."""
        self._kube, self._leadership, self._clock = kube, leadership, clock
        self._namespace, self._name, self._holder = namespace, name, holder
        self._lease: Json | None = None

    async def acquire(self, *, seconds: int, retry_seconds: float) -> None:
        """Wait until the Lease is ours. Another holder's time runs by our own clock."""
        seen: tuple[str, float] = ("", time.monotonic())
        while not self._leadership.held:
            try:
                lease = await self._kube.find(LEASES, self._namespace, self._name)
                version = lease["metadata"]["resourceVersion"] if lease else ""
                if version != seen[0]:
                    seen = (version, time.monotonic())
                if lease is None or self._is_free(lease, seen[1]):
                    await self._write(lease, seconds=seconds)
                    log.info("lease_acquired", holder=self._holder)
                    return
            except (Conflict, AlreadyExists):
                pass
            except ControllerError as error:
                log.warning("lease_not_acquired", error=str(error))
            await asyncio.sleep(retry_seconds)

    async def keep(self, *, seconds: int, every: float, lost: Callable[[], None]) -> Never:
        """Renew forever; `lost` is called once when it is too late."""
        while True:
            await asyncio.sleep(every)
            try:
                async with asyncio.timeout(every * 1.5):
                    await self._write(self._lease, seconds=seconds)
            except (ControllerError, TimeoutError) as error:
                log.warning("lease_not_renewed", error=str(error))
                if isinstance(error, Conflict):
                    await self._look_again(every * 1.5)
            metrics.LEASE_HELD.set(self._leadership.held)
            if not self._leadership.held:
                log.error("lease_lost")
                lost()

    async def _look_again(self, seconds: float) -> None:
        """After a conflict: a renewal that seemed lost may have landed, or somebody has taken it.

        While the Lease cannot be read, what was held runs out by our own clock.
        """
        try:
            async with asyncio.timeout(seconds):
                lease = await self._kube.find(LEASES, self._namespace, self._name)
        except (ControllerError, TimeoutError) as error:
            log.warning("lease_not_read", error=str(error))
            return
        if lease is not None and section(lease, "spec").get("holderIdentity") == self._holder:
            self._lease = lease
        else:
            self._leadership.released()

    async def release(self) -> None:
        """Give the Lease up, so that the next operator need not wait."""
        self._leadership.released()
        metrics.LEASE_HELD.set(0)
        if self._lease is None:
            return
        body = self._lease | {
            "spec": self._lease["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1}
        }
        try:
            async with asyncio.timeout(3):
                await self._kube.update(LEASES, self._namespace, body)
        except (ControllerError, TimeoutError) as error:
            log.warning("lease_not_released", error=str(error))

    def _is_free(self, lease: Json, unchanged_since: float) -> bool:
        spec: dict[str, Any] = lease.get("spec") or {}
        if not spec.get("holderIdentity") or spec["holderIdentity"] == self._holder:
            return True
        return time.monotonic() - unchanged_since > float(spec.get("leaseDurationSeconds") or 0)

    async def _write(self, lease: Json | None, *, seconds: int) -> None:
        now = timestamp(self._clock.now_us(), micro=True)
        old: dict[str, Any] = (lease or {}).get("spec") or {}
        mine = old.get("holderIdentity") == self._holder
        spec = {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": old.get("acquireTime", now) if mine else now,
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if mine else 1),
        }
        asked_at = time.monotonic()
        if lease is None:
            body = {
                "apiVersion": LEASES.api_version,
                "kind": LEASES.kind,
                "metadata": {"name": self._name, "namespace": self._namespace},
                "spec": spec,
            }
            self._lease = await self._kube.create(LEASES, self._namespace, body)
        else:
            self._lease = await self._kube.update(LEASES, self._namespace, lease | {"spec": spec})
        self._leadership.renewed(asked_at)
        metrics.LEASE_HELD.set(1)
