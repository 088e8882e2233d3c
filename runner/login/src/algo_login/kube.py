"""The Kubernetes API as far as the log-in worker needs it: raw JSON, our own errors, deadlines.

Not the official client: it loads 90 MB of models for five calls.
"""

import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from algo_contract import names
from algo_contract.envelope.keys import SEAL_KEYS

from algo_login.errors import Conflict, Expired, Gone, KubeUnavailable, LoginError, Misconfigured
from algo_login.facts import Account, Json
from algo_login.settings import Settings

FIELD_MANAGER: Final = "algo-login"
WATCH_SECONDS: Final = 290
_PAGE: Final = "100"
"""An account may weigh 64 KiB."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=20, sock_connect=5)
_LINE_LIMIT: Final = 4 * 1024 * 1024
"""Bytes: one line of a watch is one object, about 3 MiB at most."""

_ACCOUNTS: Final = f"/apis/{names.GROUP}/{names.VERSION}"


class Kube:
    """The API server."""

    def __init__(self, settings: Settings) -> None:
        """Opens nothing yet; the token is read anew for each call, as the kubelet rotates it.

        Raises:
            Misconfigured: there is no such authority file.
        """
        try:
            self._tls = ssl.create_default_context(cafile=str(settings.api_ca_file))
        except OSError as error:
            raise Misconfigured(f"{settings.api_ca_file} cannot be used: {error}") from None
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()

    async def accounts(self) -> tuple[list[Json], str]:
        """All BrokerAccounts, and the version to watch from."""
        found: list[Json] = []
        params = {"limit": _PAGE}
        while True:
            page = await self._call("GET", f"{_ACCOUNTS}/{names.ACCOUNT_PLURAL}", params=params)
            found += page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return found, page["metadata"]["resourceVersion"]
            params["continue"] = following

    async def watch(self, since: str) -> AsyncGenerator[Json]:
        """What happens to BrokerAccounts, with bookmarks, until the server ends the stream."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        limits = aiohttp.ClientTimeout(total=WATCH_SECONDS + 30, sock_connect=5, sock_read=75)
        path = f"{_ACCOUNTS}/{names.ACCOUNT_PLURAL}"
        async with self._request("GET", path, params=params, timeout=limits) as response:
            while line := await response.content.readline():
                yield json.loads(line)

    async def account(self, namespace: str, name: str) -> Json:
        """One account.

        Raises:
            Gone: there is none.
        """
        return await self._call("GET", _account_path(namespace, name))

    async def namespace_uid(self, namespace: str) -> str:
        """The UID that envelopes of a namespace are bound to."""
        body = await self._call("GET", f"/api/v1/namespaces/{namespace}")
        return body["metadata"]["uid"]

    async def patch_account(self, account: Account, body: Json) -> Json:
        """Merges fields into an account as it was read.

        Raises:
            Conflict: it has changed since.
        """
        guarded = dict(body)
        guarded["metadata"] = dict(body.get("metadata") or {}) | {
            "resourceVersion": account.version,
            "uid": account.uid,
        }
        path = _account_path(account.namespace, account.name)
        return await self._call("PATCH", path, body=guarded, kind="merge-patch+json")

    async def apply_status(self, account: Account, body: Json) -> Json:
        """Makes fields of an account's status ours, and takes away those that no longer are."""
        path = f"{_account_path(account.namespace, account.name)}/status"
        params = {"force": "true"}
        return await self._call("PATCH", path, body=body, kind="apply-patch+yaml", params=params)

    async def public_keys(self) -> dict[str, str]:
        """The keys that anyone may seal to, by name."""
        body = await self._call("GET", self._keys_path)
        return body.get("data") or {}

    async def publish_key(self, name: str, text: str) -> None:
        """Writes one of them."""
        await self._call(
            "PATCH", self._keys_path, body={"data": {name: text}}, kind="merge-patch+json"
        )

    @property
    def _keys_path(self) -> str:
        return f"/api/v1/namespaces/{self._settings.namespace}/configmaps/{SEAL_KEYS}"

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Json | None = None,
        kind: str = "json",
    ) -> Json:
        options: dict[str, Any] = {"timeout": _TIMEOUT}
        if body is not None:
            params = (params or {}) | {"fieldManager": FIELD_MANAGER}
            options["data"] = json.dumps(body, separators=(",", ":"))
            options["headers"] = {"Content-Type": f"application/{kind}"}
        async with self._request(method, path, params=params, **options) as response:
            return await response.json(content_type=None)

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, **options: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        headers: dict[str, str] = {**options.pop("headers", {}), **self._authorization()}
        url = self._settings.api_server + path
        try:
            async with self._open().request(method, url, headers=headers, **options) as response:
                if response.status >= 400:
                    raise await _error(response)
                yield response
        except LoginError:
            raise
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise KubeUnavailable(
                f"the Kubernetes API server does not answer ({type(error).__name__})"
            ) from error

    def _authorization(self) -> dict[str, str]:
        try:
            token = self._settings.api_token_file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            what = f"{self._settings.api_token_file} cannot be read: {type(error).__name__}"
            raise Misconfigured(what) from None
        return {"Authorization": f"Bearer {token}"}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(limit=16, ssl=self._tls)
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=_LINE_LIMIT)
        return self._session


def _account_path(namespace: str, name: str) -> str:
    return f"{_ACCOUNTS}/namespaces/{namespace}/{names.ACCOUNT_PLURAL}/{name}"


async def _error(response: aiohttp.ClientResponse) -> LoginError:
    try:
        status: Json = json.loads(await response.text())
        message = str(status.get("message") or "")[:500]
    except ValueError:
        message = ""
    message = message or f"HTTP {response.status}"
    match response.status:
        case 404:
            return Gone(message)
        case 409:
            return Conflict(message)
        case 410:
            return Expired(message)
        case 401 | 403:
            return Misconfigured(message)
        case _:
            return KubeUnavailable(message)
