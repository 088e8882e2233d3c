"""The process: publishes its key, follows the accounts, looks after each."""

import asyncio
import traceback
from typing import Final, Never

from algo_contract import names
from algo_contract.envelope.keys import LOGIN_PUBLIC, public_text
from algo_kube.cache import ObjectCache, name_of
from algo_kube.client import Kube
from algo_kube.config import Access
from algo_kube.errors import Conflict, ControllerError, NotFound
from algo_kube.health import Health
from algo_kube.resources import ACCOUNTS, Json
from algo_kube.server import serve
from algo_kube.watcher import Watch, run_watch
from algo_kube.work_queue import Key, WorkQueue, work
from algo_service.backoff import jittered
from algo_service.logging import get_logger

from algo_login import cluster, metrics
from algo_login.context import Context
from algo_login.credentials import CredentialStore
from algo_login.reconcile.account import reconcile_account
from algo_login.settings import Settings

log = get_logger(__name__)

MANAGER: Final = "algo-login"
ACCOUNTS_A_PAGE: Final = 100
"""An account may weigh 64 KiB."""

WATCH_STALE_SECONDS: Final = 400.0
"""A watch lasts 290 seconds, and its bookmarks come each minute."""

LAST_PASS_SECONDS: Final = 20.0
"""For the pass under way when told to stop; the pod is given 30."""

KEY_EVERY_SECONDS: Final = 30.0
CONFLICT_SECONDS: Final = 0.1
RETRY_SECONDS: Final = 2.0
"""Before a pass that failed is tried again; twice as long each time."""


class Worker:
    """All parts, wired."""

    def __init__(self, settings: Settings, access: Access) -> None:
        """Starts nothing yet.

        Raises:
            Misconfigured: the keys cannot be used.
        """
        self.settings = settings
        self.stop = asyncio.Event()
        kube = Kube(access, manager=MANAGER, page=ACCOUNTS_A_PAGE)
        self.context = Context(settings, kube, CredentialStore(settings.keys))
        self.context.credentials.public()
        self.queue = WorkQueue()
        self.watch = Watch(
            kube=kube, resource=ACCOUNTS, objects=ObjectCache(), changed=self._changed
        )
        self.published = asyncio.Event()
        self.port = 0

    async def run(self) -> None:
        """Works until told to stop; a log-in under way is then brought to its end, because a
        browser's return is good for one session only.
        """
        server = await serve(self._health(), port=self.settings.http_port)
        self.port = server.addresses[0][1]
        try:
            await self._work()
        finally:
            await self.context.kube.close()
            await server.cleanup()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            following = [
                group.create_task(part) for part in (self._publish(), run_watch(self.watch))
            ]
            passes = [
                group.create_task(work(self.queue, self._one_pass))
                for _ in range(self.settings.concurrency)
            ]
            await self.stop.wait()
            self.queue.close()
            await asyncio.wait(passes, timeout=LAST_PASS_SECONDS)
            for task in (*following, *passes):
                task.cancel()

    async def _publish(self) -> Never:
        """Keeps login.pub ours. A stranger's key there would read what is sealed from then on."""
        while True:
            try:
                await self._publish_once()
                self.published.set()
            except ControllerError as error:
                log.warning("key_not_published", error=str(error))
            await asyncio.sleep(KEY_EVERY_SECONDS if self.published.is_set() else 1.0)

    async def _publish_once(self) -> None:
        kube, credentials = self.context.kube, self.context.credentials
        own = public_text(credentials.public())
        keys = await cluster.public_keys(kube, self.settings.namespace)
        there = keys.get(LOGIN_PUBLIC, "").strip()
        if there == own:
            return
        if there and there not in credentials.known():
            metrics.FOREIGN_KEYS.inc()
            log.error("foreign_login_key_replaced")
        await cluster.publish_key(kube, self.settings.namespace, LOGIN_PUBLIC, own + "\n")
        for body in self.watch.objects.values():  # to be re-wrapped
            self.queue.add(_key(body))

    async def _one_pass(self, key: Key) -> float | None:
        metrics.ACCOUNTS.set(len(self.watch.objects))
        try:
            account = await cluster.get_account(self.context.kube, key.namespace, key.name)
            due = await reconcile_account(self.context, account)
        except NotFound:
            self.queue.forget(key)
            return None
        except Conflict:
            return CONFLICT_SECONDS
        except Exception as error:  # noqa: BLE001 - one account's failure must not end the others'
            metrics.PASSES_FAILED.inc()
            is_ours = isinstance(error, ControllerError)
            log.warning(
                "pass_failed",
                namespace=key.namespace,
                account=key.name,
                error=str(error) if is_ours else type(error).__name__,
                where=[] if is_ours else frames(error),
            )
            return RETRY_SECONDS
        resync = jittered(self.settings.resync_seconds, spread=0.2)
        self.queue.add(key, delay=max(min(due, resync), 0.01))
        return None

    def _changed(self, body: Json, gone: bool) -> None:  # noqa: FBT001 - the watch's callback shape
        if gone:
            self.queue.forget(_key(body))
            self.context.retries.forget(body["metadata"]["uid"])
        else:
            self.queue.add(_key(body))

    def _health(self) -> Health:
        return Health(
            alive={"watch": self._watch_problem},
            ready={
                "accounts": lambda: (
                    "" if self.watch.synced.is_set() else "the accounts have not been listed yet"
                ),
                "key": lambda: (
                    "" if self.published.is_set() else "login.pub has not been published yet"
                ),
            },
        )

    def _watch_problem(self) -> str:
        age = self.watch.age
        return f"no sign of the API server for {age:.0f} s" if age > WATCH_STALE_SECONDS else ""


def frames(error: Exception) -> list[str]:
    """Where it happened; not its words, which nobody has cleaned of secrets."""
    trace = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in trace]


def _key(body: Json) -> Key:
    return Key(names.ACCOUNT_KIND, *name_of(body))
