"""Build everything once, start it in order, and end it in order."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from algo_contract import names
from algo_kube.audit import Audit
from algo_kube.cache import ObjectCache
from algo_kube.client import Kube
from algo_kube.config import Access
from algo_kube.errors import ControllerError
from algo_kube.health import LAG_LIMIT_SECONDS, Health, die_when_unwell, measure_lag
from algo_kube.lease import Leadership, LeaseKeeper
from algo_kube.resources import ACCOUNTS, NAMESPACES, NODES, PODS, STRATEGIES
from algo_kube.server import serve
from algo_kube.watcher import Watch, run_watch
from algo_kube.work_queue import work
from algo_service.clock import Clock, SystemClock
from algo_service.logging import get_logger

from algo_operator.context import Context
from algo_operator.envelopes.public_key import keep_published
from algo_operator.envelopes.sessions import BrokerSessions
from algo_operator.kopf_adapter.handlers import EventHandlers
from algo_operator.kopf_adapter.run import WatcherCheck, run_kopf
from algo_operator.model.naming import POD_SELECTOR
from algo_operator.reconcile.resync import measure_cluster, resync, watch_nodes
from algo_operator.reconcile.warmup import warm_up
from algo_operator.reconcile.worker import one_pass
from algo_operator.redis.clients import connect
from algo_operator.redis.users import RedisUsers
from algo_operator.runtime.feeds import poll_feeds
from algo_operator.runtime.poller import loops
from algo_operator.settings import Settings

log = get_logger(__name__)

MANAGER: Final = "algo-operator"
"""The field manager, the Events' component and the Lease's name."""

_PASSES_END_SECONDS: Final = 5.0
_KOPF_WATCHES: Final = 2
_UNWELL_SECONDS: Final = 15.0
_START_RETRY_SECONDS: Final = 2.0


@dataclass(slots=True)
class Operator:
    """The whole operator; `run` returns the process's exit code."""

    settings: Settings
    access: Access
    clock: Clock = field(default_factory=SystemClock)
    holder: str = ""
    health: Health = field(default_factory=Health)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    context: Context = field(init=False)
    exit_code: int = 0
    started: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])
    _workers: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])
    _kopf_stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Construct the adapters; nothing is opened yet."""
        leadership = Leadership(seconds=self.settings.lease_seconds)
        redis = connect(self.settings)
        self.context = Context(
            settings=self.settings,
            clock=self.clock,
            kube=Kube(self.access, manager=MANAGER, may_write=leadership.check),
            redis=redis,
            users=RedisUsers(redis),
            leadership=leadership,
            sessions=BrokerSessions(self.settings.session_keys),
        )

    async def run(self) -> int:
        """Run until `stop` is set or something fatal happens."""
        context, settings = self.context, self.settings
        lease_kube = Kube(self.access, manager=MANAGER)
        keeper = LeaseKeeper(
            lease_kube,
            context.leadership,
            self.clock,
            namespace=settings.namespace,
            name=MANAGER,
            holder=self.holder or _identity(),
        )
        self.health.ready["started"] = lambda: "" if self.started.is_set() else "not started yet"
        server = await serve(self.health, port=settings.http_port)
        self.port = server.addresses[0][1]
        try:
            starting = asyncio.create_task(self._start(keeper))
            self._own("start", starting)
            await self.stop.wait()
        finally:
            await self._end(keeper)
            await server.cleanup()
            await context.kube.close()
            await lease_kube.close()
            await context.redis.close()
        return self.exit_code

    async def _start(self, keeper: LeaseKeeper) -> None:
        context, settings = self.context, self.settings
        await keeper.acquire(
            seconds=settings.lease_seconds, retry_seconds=settings.lease_renew_seconds
        )
        self._spawn(
            "lease",
            lambda: keeper.keep(
                seconds=settings.lease_seconds,
                every=settings.lease_renew_seconds,
                lost=lambda: self.fail("the Lease is lost"),
            ),
        )
        self._spawn("loop lag", lambda: measure_lag(self.health))
        wakers = EventHandlers(context)
        await self._start_watches(wakers)
        audits = await self._load(wakers)
        self._spawn(
            "kopf", lambda: run_kopf(self.access, _deliveries(wakers), stop=self._kopf_stop)
        )
        for name, loop in loops(context).items():
            self._spawn(name, loop)
        if settings.session_keys is not None:
            self._spawn("seal key", lambda: keep_published(context))
        self._spawn("redis users", context.users.keep_saved)
        self._spawn("resync", lambda: resync(context))
        self._spawn("nodes", lambda: watch_nodes(context))
        self._spawn("measure", lambda: measure_cluster(context))
        for _ in range(settings.concurrency):
            task = asyncio.create_task(
                work(context.queue, partial(one_pass, context)), name="worker"
            )
            self._workers.add(task)
            self._own("worker", task)
        self._watch_over(audits)
        self.started.set()
        log.info(
            "operator_started", strategies=len(context.strategies), accounts=len(context.accounts)
        )

    async def _start_watches(self, wakers: EventHandlers) -> None:
        context = self.context
        watches = [
            self._watch_of(NAMESPACES, context.namespaces, wakers.namespace, names.TENANT_LABEL),
            self._watch_of(PODS, context.pods, wakers.pod, POD_SELECTOR),
            self._watch_of(NODES, ObjectCache(), wakers.node, ""),
        ]
        for watch in watches:
            await watch.synced.wait()

    def _watch_of(self, resource: Any, objects: ObjectCache, changed: Any, selector: str) -> Watch:
        watch = Watch(
            kube=self.context.kube,
            resource=resource,
            objects=objects,
            changed=changed,
            selector=selector,
        )
        self._spawn(f"watch {resource.plural}", lambda: run_watch(watch))
        limit = self.settings.watch_stale_seconds * 2
        self.health.alive[f"watch {resource.plural}"] = lambda: (
            f"no sign of life from the watch of {resource.plural} for {watch.age:.0f} s"
            if watch.age > limit
            else ""
        )
        return watch

    async def _load(self, wakers: EventHandlers) -> list[Audit]:
        """Accounts, strategies, then the feeds they follow: a first pass must know its clock."""
        context = self.context
        audits = [
            Audit(
                kube=context.kube,
                resource=ACCOUNTS,
                objects=context.accounts,
                changed=wakers.account,
            ),
            Audit(
                kube=context.kube,
                resource=STRATEGIES,
                objects=context.strategies,
                changed=wakers.strategy,
            ),
        ]
        for audit in audits:
            while True:
                try:
                    await audit.load()
                    break
                except ControllerError as error:
                    log.warning(
                        "resources_not_listed", resource=audit.resource.plural, error=str(error)
                    )
                    await asyncio.sleep(_START_RETRY_SECONDS)
        warm_up(context)
        try:
            await poll_feeds(context)
        except ControllerError as error:
            log.warning("feeds_not_read", error=str(error))
        return audits

    def _watch_over(self, audits: list[Audit]) -> None:
        stale = self.settings.watch_stale_seconds
        for audit in audits:
            self._spawn(
                f"audit {audit.resource.plural}",
                lambda audit=audit: audit.run(self.settings.audit_seconds),
            )
            self.health.alive[f"watch {audit.resource.plural}"] = lambda audit=audit: (
                f"the watch of {audit.resource.plural} is {audit.age:.0f} s behind"
                if audit.age > stale
                else ""
            )
        self.health.alive["loop"] = lambda: (
            f"the event loop is {self.health.lag:.1f} s late"
            if self.health.lag > LAG_LIMIT_SECONDS
            else ""
        )
        self.health.alive["lease"] = lambda: (
            "" if self.context.leadership.held else "the Lease is not held"
        )
        self.health.alive["kopf"] = WatcherCheck(_KOPF_WATCHES).problem
        self.health.ready["redis"] = lambda: (
            "redis-state does not answer" if self.context.runtime.redis_down else ""
        )
        self.health.ready["lease"] = self.health.alive["lease"]
        self._spawn(
            "watchdog",
            lambda: die_when_unwell(self.health, after_seconds=_UNWELL_SECONDS, die=self.fail),
        )

    def fail(self, why: str) -> None:
        """End the process with an error."""
        log.error("operator_failed", why=why)
        self.exit_code = 1
        self.stop.set()

    def _spawn(self, name: str, start: Callable[[], Awaitable[Any]]) -> None:
        async def guarded() -> None:
            await start()

        self._own(name, asyncio.create_task(guarded(), name=name))

    def _own(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("task_failed", task=name, error=repr(error), exc_info=error)
                self.fail(f"the task {name} failed")
            elif not self.stop.is_set() and name == "kopf":
                self.fail("Kopf ended")

        task.add_done_callback(ended)

    async def _end(self, keeper: LeaseKeeper) -> None:
        """Stop intake, let passes finish, give the Lease up. Runner pods are not touched."""
        self.stop.set()
        self.context.queue.close()
        if self._workers:
            await asyncio.wait(self._workers, timeout=_PASSES_END_SECONDS)
        self._kopf_stop.set()
        await asyncio.sleep(0)
        tasks = list(self._tasks)
        for task in tasks:
            if task.get_name() != "kopf":
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2.0)
        for task in tasks:
            task.cancel()
        await keeper.release()
        log.info("operator_ended", exit_code=self.exit_code)


def _deliveries(wakers: EventHandlers) -> dict[Any, Any]:
    return {STRATEGIES: wakers.strategy_delivered, ACCOUNTS: wakers.account_delivered}


def _identity() -> str:
    return f"{os.environ.get('HOSTNAME') or socket.gethostname()}-{os.getpid()}"
