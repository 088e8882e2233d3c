"""Follows all BrokerAccounts: lists, watches, and begins anew after any error, for ever."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Never

import structlog

from algo_login.errors import Expired, KubeUnavailable, LoginError
from algo_login.facts import Json
from algo_login.kube import Kube
from algo_login.rounds import Key

log = structlog.get_logger(__name__)

_FIRST_DELAY: Final = 0.2
_LONGEST_DELAY: Final = 10.0


@dataclass(slots=True)
class Accounts:
    """The accounts as last seen."""

    kube: Kube
    changed: Callable[[Key], None]
    gone: Callable[[Key, str], None]
    """Told of a key and the UID that it had."""

    uids: dict[Key, str] = field(default_factory=dict[Key, str])
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    alive_at: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since the last sign of life; bookmarks come about each minute."""
        return time.monotonic() - self.alive_at

    async def follow(self) -> Never:
        """Keeps in step with the API server."""
        since, delay = "", _FIRST_DELAY
        while True:
            try:
                since = await self._stream(since or await self._list())
                delay = _FIRST_DELAY
            except Expired:
                since = ""
            except LoginError as error:
                since = ""
                log.warning("watch_interrupted", error=str(error))
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
                delay = min(delay * 2, _LONGEST_DELAY)

    async def _list(self) -> str:
        bodies, version = await self.kube.accounts()
        self.alive_at = time.monotonic()
        found = {_key(body): body["metadata"]["uid"] for body in bodies}
        for key, uid in list(self.uids.items()):
            if found.get(key) != uid:
                del self.uids[key]
                self.gone(key, uid)
        self.uids = found
        for key in found:
            self.changed(key)
        self.synced.set()
        return version

    async def _stream(self, since: str) -> str:
        async with aclosing(self.kube.watch(since)) as events:
            async for event in events:
                self.alive_at = time.monotonic()
                since = self._take(event) or since
        self.alive_at = time.monotonic()
        return since

    def _take(self, event: Json) -> str | None:
        body: Json = event["object"]
        if event["type"] == "ERROR":
            message = str(body.get("message", "the watch failed"))
            raise Expired(message) if body.get("code") == 410 else KubeUnavailable(message)
        if event["type"] in {"ADDED", "MODIFIED"}:
            self.uids[_key(body)] = body["metadata"]["uid"]
            self.changed(_key(body))
        elif event["type"] == "DELETED":
            self.uids.pop(_key(body), None)
            self.gone(_key(body), body["metadata"]["uid"])
        return body["metadata"].get("resourceVersion")


def _key(body: Json) -> Key:
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])
