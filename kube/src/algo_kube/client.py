"""A thin client: raw JSON in and out, our own errors, a deadline on every call.

The official client spends most of a hub's time deserialising (kubespawner #423) and more than
half of an operator's memory (Kopf's critiques page), so it is not used.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp

from algo_kube import metrics
from algo_kube.config import Access
from algo_kube.errors import (
    AlreadyExists,
    Conflict,
    ControllerError,
    Expired,
    KubeUnavailable,
    Misconfigured,
    NotFound,
    Rejected,
)
from algo_kube.resources import Json, Resource

PAGE: Final = 500
"""Objects of one page of a list."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=20, sock_connect=5)
_READ_CHUNK: Final = 8 * 1024 * 1024
"""A line of a watch is one object; the API server's own limit for an object is about 3 MiB."""


class Kube:
    """The API server."""

    def __init__(
        self,
        access: Access,
        *,
        manager: str,
        page: int = PAGE,
        may_write: Callable[[], None] = lambda: None,
    ) -> None:
        """Open nothing yet.

        Args:
            access: where the server is.
            manager: the name under which fields become ours.
            page: objects of one page of a list; fewer where they are large.
            may_write: called before every write; raises when this process must not write.
        """
        self._access = access
        self.manager: Final = manager
        self._page = page
        self._may_write = may_write
        self._session: aiohttp.ClientSession | None = None

    @property
    def access(self) -> Access:
        """Where the server is."""
        return self._access

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """One object.

        Raises:
            NotFound: there is none.
        """
        return await self._call("get", resource, resource.path(namespace, name))

    async def find(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """One object, or None."""
        try:
            return await self.get(resource, namespace, name)
        except NotFound:
            return None

    async def list_pages(
        self,
        resource: Resource,
        *,
        selector: str = "",
        namespace: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[Json]:
        """All objects of a kind, a page at a time, each page as the API server's list."""
        params = {"limit": str(self._page)} | ({"labelSelector": selector} if selector else {})
        accept = (
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            if metadata_only
            else None
        )
        while True:
            page = await self._call(
                "list", resource, resource.path(namespace), params=params, accept=accept
            )
            yield page
            following = page["metadata"].get("continue")
            if not following:
                return
            params["continue"] = following

    async def create(self, resource: Resource, namespace: str | None, body: Json) -> Json:
        """Make an object.

        Raises:
            AlreadyExists: there is one of that name.
        """
        params = {"fieldManager": self.manager}
        return await self._call(
            "create", resource, resource.path(namespace), params=params, body=body
        )

    async def update(self, resource: Resource, namespace: str | None, body: Json) -> Json:
        """Replace an object; its resourceVersion guards against lost updates."""
        path = resource.path(namespace, body["metadata"]["name"])
        return await self._call(
            "update", resource, path, params={"fieldManager": self.manager}, body=body
        )

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Json,
        *,
        sub: str | None = None,
    ) -> Json:
        """Merge fields into an object."""
        path = resource.path(namespace, name, sub)
        params = {"fieldManager": self.manager}
        return await self._call(
            "patch",
            resource,
            path,
            params=params,
            body=body,
            content="application/merge-patch+json",
        )

    async def apply(
        self, resource: Resource, namespace: str | None, body: Json, *, sub: str | None = None
    ) -> Json:
        """Server-side apply: the fields in `body` become ours; ours that are not in it go."""
        path = resource.path(namespace, body["metadata"]["name"], sub)
        params = {"fieldManager": self.manager, "force": "true"}
        return await self._call(
            "patch",
            resource,
            path,
            params=params,
            body=body,
            content="application/apply-patch+yaml",
        )

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> None:
        """Delete an object; gone already, or another one by now, is fine."""
        body: Json = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
        }
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            await self._call("delete", resource, resource.path(namespace, name), body=body)
        except (NotFound, Conflict):
            return

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, selector: str, since: str, seconds: int
    ) -> AsyncGenerator[AsyncIterator[Json], None]:
        """The events after a resourceVersion, with bookmarks, until the server ends the stream."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(seconds),
        }
        if selector:
            params["labelSelector"] = selector
        limits = aiohttp.ClientTimeout(total=seconds + 30, sock_connect=5, sock_read=75)
        async with (
            self._translated("watch", resource),
            self._open().get(
                self._access.server + resource.path(),
                params=params,
                headers=self._access.headers(),
                timeout=limits,
            ) as response,
        ):
            await _check(response)
            yield _lines(response)

    async def _call(
        self,
        verb: str,
        resource: Resource,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Json | None = None,
        content: str = "application/json",
        accept: str | None = None,
    ) -> Json:
        if verb not in {"get", "list"}:
            self._may_write()
        method = {
            "get": "GET",
            "list": "GET",
            "create": "POST",
            "update": "PUT",
            "patch": "PATCH",
        }.get(verb, "DELETE")
        headers = (
            self._access.headers()
            | {"Content-Type": content}
            | ({"Accept": accept} if accept else {})
        )
        async with (
            self._translated(verb, resource),
            self._open().request(
                method,
                self._access.server + path,
                params=params,
                data=None if body is None else json.dumps(body, separators=(",", ":")),
                headers=headers,
                timeout=_TIMEOUT,
            ) as response,
        ):
            await _check(response)
            return await response.json(content_type=None)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(limit=64, ssl=self._access.tls or False)
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=_READ_CHUNK)
        return self._session

    @asynccontextmanager
    async def _translated(self, verb: str, resource: Resource) -> AsyncGenerator[None, None]:
        started, code = time.perf_counter(), "200"
        try:
            yield
        except ControllerError as error:
            code = type(error).__name__
            raise
        except (
            aiohttp.ClientError,
            TimeoutError,
            asyncio.IncompleteReadError,
            ValueError,
        ) as error:
            code = "unreachable"
            raise KubeUnavailable(
                f"The Kubernetes API server does not answer ({type(error).__name__})."
            ) from error
        finally:
            metrics.API_REQUESTS.labels(verb, resource.plural, code).inc()
            if verb != "watch":
                metrics.API_SECONDS.labels(verb, resource.plural).observe(
                    time.perf_counter() - started
                )


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    while line := await response.content.readline():
        yield json.loads(line)


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    status: dict[str, Any] = {}
    with suppress(ValueError):
        status = json.loads(await response.text())
    message = str(status.get("message") or f"HTTP {response.status}")[:1000]
    raise _error(
        response.status, str(status.get("reason", "")), message, response.headers.get("Retry-After")
    )


def _error(code: int, reason: str, message: str, retry_after: str | None) -> ControllerError:
    match code, reason:
        case 404, _:
            return NotFound(message)
        case 409, "AlreadyExists":
            return AlreadyExists(message)
        case 409, _:
            return Conflict(message)
        case 410, _:
            return Expired(message)
        case 403, _ if "exceeded quota" in message or "is being terminated" in message:
            return Rejected(message)
        case 401 | 403, _:
            return Misconfigured(message)
        case 429, _:
            return KubeUnavailable(message, retry_after=float(retry_after or 1))
        case _ if code >= 500:
            return KubeUnavailable(message)
        case _:
            return Rejected(message)
