"""A live account as the operator's tests tell it: its session sealed as the log-in worker does."""

import time
from pathlib import Path
from typing import Any, Final

from algo_contract import redis_keys
from algo_contract.messages.instrument import InstrumentFacts, instrument_json
from algo_contract.messages.broker_session import BrokerSession, session_json
from algo_contract.envelope.keys import read_keys
from algo_contract.envelope.format import Binding
from algo_contract.envelope.seal import seal
from algo_contract.ids import account_id
from algo_kube.resources import ACCOUNTS, NAMESPACES

TOKEN: Final = "hush-token-0001"
SHARE: Final = InstrumentFacts(token=738561, tick_size=10, freeze_quantity=30_000)
SIMULATOR: Final = {
    "broker": "zerodha",
    "clock": "Feed",
    "baseUrl": "http://algo-sim.algo-sim.svc:8101",
    "feedUrl": "ws://algo-sim.algo-sim.svc:8101",
}


def make_key(folder: Path, name: str = "0001") -> Path:
    """A key with which the operator opens sessions."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(bytes(range(32)))
    return folder


async def simulated_tenant(world: Any, keys: Path) -> str:
    """An operator that can open sessions, and a tenant with an account at a simulator."""
    world.kubelet()
    await world.start(session_keys=keys, broker_url_allowlist="algo-sim.algo-sim.svc:8101")
    tenant: str = await world.tenant()
    await world.account(tenant, "mine", **SIMULATOR)
    return tenant


def a_session(*, token: str = TOKEN, seconds: float = 3600, broker: str = "zerodha") -> str:
    """A session's JSON that lives so long from now, by the machine's clock."""
    now_us = time.time_ns() // 1000
    return session_json(
        BrokerSession(
            broker=broker,
            client_id="SIM001",
            api_key="hush-api-key",
            access_token=token,
            issued_us=now_us,
            expires_us=now_us + round(seconds * 1_000_000),
        )
    )


async def log_in(
    world: Any, keys: Path, namespace: str, name: str, session: str, *, broker: str = "zerodha"
) -> None:
    """Write a sealed session into an account, as the log-in worker does."""
    there = await world.kube.get(NAMESPACES, None, namespace)
    binding = Binding(
        namespace_uid=there["metadata"]["uid"], account=name, broker=broker, purpose="session"
    )
    envelope = seal(session.encode(), read_keys(keys).current.public, binding)
    patch = {"spec": {"sealedSession": envelope}}
    await world.kube.patch(ACCOUNTS, namespace, name, patch)


async def feed_tells(world: Any, account: dict[str, Any], share: str = "NSE:RELIANCE") -> None:
    """Write what an account's feed knows of a share."""
    feed = account_id(account["metadata"]["uid"])
    await world.redis.hset(redis_keys.feed_facts(feed), share, instrument_json(SHARE))
