"""The process: publishes its key, follows the accounts, looks after each."""

import asyncio
from typing import Final, Never

import structlog
from algo_contract.envelope.keys import LOGIN_PUBLIC, public_text

from algo_login.account_pass import Desk, look_after
from algo_login.errors import LoginError
from algo_login.facts import read_account
from algo_login.http_server import serve
from algo_login.kube import Kube
from algo_login.opening import Opener
from algo_login.rounds import Key, Rounds
from algo_login.settings import Settings
from algo_login.watching import Accounts

log = structlog.get_logger(__name__)

WATCH_STALE_SECONDS: Final = 400.0
"""A watch lasts 290 seconds, and its bookmarks come each minute."""

LAST_PASS_SECONDS: Final = 20.0
"""For the pass under way when told to stop; the pod is given 30."""

KEY_EVERY_SECONDS: Final = 30.0


class Worker:
    """All parts, wired."""

    def __init__(self, settings: Settings) -> None:
        """Starts nothing yet.

        Raises:
            Misconfigured: the keys or the API server's authority cannot be used.
        """
        self.settings = settings
        self.stop = asyncio.Event()
        self.desk = Desk(settings, Kube(settings), Opener(settings.keys))
        self.desk.opener.public()
        self.rounds = Rounds(self._look, self.desk.metrics, resync_seconds=settings.resync_seconds)
        self.accounts = Accounts(self.desk.kube, self.rounds.add, self._gone)
        self.published = asyncio.Event()
        self.port = 0

    async def run(self) -> None:
        """Works until told to stop; a log-in under way is then brought to its end, because a
        browser's return is good for one session only.
        """
        server = await serve(
            port=self.settings.http_port,
            metrics=self.desk.metrics,
            alive=self._alive,
            ready=self._ready,
        )
        self.port = server.addresses[0][1]
        try:
            await self._work()
        finally:
            await self.desk.kube.close()
            await server.cleanup()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            following = [
                group.create_task(part) for part in (self._publish(), self.accounts.follow())
            ]
            passes = [
                group.create_task(self.rounds.work()) for _ in range(self.settings.concurrency)
            ]
            await self.stop.wait()
            self.rounds.close()
            await asyncio.wait(passes, timeout=LAST_PASS_SECONDS)
            for task in (*following, *passes):
                task.cancel()

    async def _publish(self) -> Never:
        """Keeps login.pub ours. A stranger's key there would read what is sealed from then on."""
        while True:
            try:
                await self._publish_once()
                self.published.set()
            except LoginError as error:
                log.warning("key_not_published", error=str(error))
            await asyncio.sleep(KEY_EVERY_SECONDS if self.published.is_set() else 1.0)

    async def _publish_once(self) -> None:
        own = public_text(self.desk.opener.public())
        there = (await self.desk.kube.public_keys()).get(LOGIN_PUBLIC, "").strip()
        if there == own:
            return
        if there and there not in self.desk.opener.known():
            self.desk.metrics.foreign_keys += 1
            log.error("foreign_login_key_replaced")
        await self.desk.kube.publish_key(LOGIN_PUBLIC, own + "\n")
        for key in self.accounts.uids:  # to be re-wrapped
            self.rounds.add(key)

    async def _look(self, key: Key) -> float:
        metrics = self.desk.metrics
        metrics.accounts, metrics.watch_age_seconds = len(self.accounts.uids), self.accounts.age
        account = read_account(await self.desk.kube.account(*key))
        return await look_after(self.desk, account)

    def _gone(self, key: Key, uid: str) -> None:
        self.rounds.forget(key)
        self.desk.memory.forget(uid)

    def _alive(self) -> str:
        age = self.accounts.age
        return f"no sign of the API server for {age:.0f} s" if age > WATCH_STALE_SECONDS else ""

    def _ready(self) -> str:
        if not self.accounts.synced.is_set():
            return "the accounts have not been listed yet"
        return "" if self.published.is_set() else "login.pub has not been published yet"
