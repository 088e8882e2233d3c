"""From a resource's JSON to facts; what cannot be read becomes a sentence, never an exception."""

from typing import Any, Final, Literal

from algo_contract import names
from algo_contract.ids import account_id, strategy_id
from algo_contract.redis_keys import SHARED_FEED
from algo_contract.url_allowlist import host_of, is_listed, proxy_problem
from algo_contract.v1alpha1 import BrokerAccountSpec, TradingStrategySpec
from algo_kube.cache import name_of
from algo_kube.resources import Json
from algo_kube.times import from_timestamp
from pydantic import ValidationError

from algo_operator.model.observed import LIVE_BROKERS, PAPER, Account, StrategyResource

_parsed: dict[tuple[str, int], tuple[TradingStrategySpec | None, str]] = {}
_PARSED_LIMIT: Final = 20_000
_AVAILABLE: Final = ", ".join(sorted(LIVE_BROKERS))


def parse_strategy(body: Json) -> StrategyResource:
    """A TradingStrategy as facts."""
    meta: dict[str, Any] = body["metadata"]
    annotations: dict[str, str] = meta.get("annotations") or {}
    generation = int(meta.get("generation", 1))
    spec, problem = _spec(meta["uid"], generation, body.get("spec") or {})
    deleted, created = meta.get("deletionTimestamp"), meta.get("creationTimestamp")
    return StrategyResource(
        name=name_of(body),
        uid=meta["uid"],
        id=strategy_id(meta["uid"]),
        generation=generation,
        version=meta["resourceVersion"],
        spec=spec,
        spec_problem=problem,
        desired=_desired(body.get("spec") or {}),
        account=str((body.get("spec") or {}).get("brokerAccount") or ""),
        mode="Live" if (body.get("spec") or {}).get("mode") == "Live" else "Paper",
        created_us=from_timestamp(created) if created else 0,
        has_finalizer=names.FINALIZER in (meta.get("finalizers") or []),
        deleted_us=from_timestamp(deleted) if deleted else None,
        exit_day=annotations.get(names.EXIT_REQUESTED_ANNOTATION, ""),
        abandon=annotations.get(names.ABANDON_ANNOTATION, ""),
        resolved_day=annotations.get(names.RESOLVED_ANNOTATION, ""),
        status=body.get("status") or {},
    )


def parse_account(body: Json, allowed_hosts: frozenset[str]) -> Account:
    """A BrokerAccount as facts."""
    meta: dict[str, Any] = body["metadata"]
    own = account_id(meta["uid"])
    try:
        spec = BrokerAccountSpec.model_validate(body.get("spec") or {})
    except ValidationError as error:
        return Account(
            name=meta["name"],
            id=own,
            uid=meta["uid"],
            broker="paper",
            clock="Wall",
            feed=own,
            problem=_sentence(error),
        )
    return Account(
        name=meta["name"],
        id=own,
        uid=meta["uid"],
        broker=spec.broker,
        clock=spec.clock,
        feed=_feed(spec, own),
        problem=_url_problem(spec, allowed_hosts)
        or _proxy_problem(spec, allowed_hosts)
        or _broker_problem(spec),
        base_url=spec.baseUrl,
        feed_url=spec.feedUrl,
        egress_proxy=spec.egressProxy,
        proxy_listed=spec.egressProxy is not None and is_listed(spec.egressProxy, allowed_hosts),
        orders_per_second=spec.limits.ordersPerSecond,
        registered_ip=spec.registeredIP or "",
        observed_ip=str((body.get("status") or {}).get("observedIP") or ""),
    )


def _broker_problem(spec: BrokerAccountSpec) -> str:
    if spec.broker in LIVE_BROKERS or spec.broker == PAPER:
        return ""
    return (
        f"Connecting to {spec.broker} is not available in this release; {_AVAILABLE} and paper are."
    )


def _feed(spec: BrokerAccountSpec, own: str) -> str:
    """Paper by the wall clock has no feed of its own: it follows the shared one."""
    if (
        spec.feed.shared
        or not spec.feed.enabled
        or (spec.broker == "paper" and spec.clock == "Wall")
    ):
        return SHARED_FEED
    return own


def _url_problem(spec: BrokerAccountSpec, allowed: frozenset[str]) -> str:
    for field, url in (("baseUrl", spec.baseUrl), ("feedUrl", spec.feedUrl)):
        if url is not None and not is_listed(url, allowed):
            return (
                f"{field} names the host {host_of(url)}, which the platform does not "
                "allow. An administrator may add it to broker_url_allowlist."
            )
    return ""


def _proxy_problem(spec: BrokerAccountSpec, allowed: frozenset[str]) -> str:
    problem = proxy_problem(spec.egressProxy, allowed) if spec.egressProxy is not None else ""
    if not problem:
        return ""
    return (
        f"egressProxy {problem}. Give the http:// address of a proxy outside the cluster; an "
        "administrator may add one inside to broker_url_allowlist."
    )


def _desired(spec: dict[str, Any]) -> Literal["Active", "Paused", "Stopped"]:
    match spec.get("desiredState"):
        case "Paused":
            return "Paused"
        case "Stopped":
            return "Stopped"
        case _:
            return "Active"


def _spec(
    uid: str, generation: int, spec: dict[str, Any]
) -> tuple[TradingStrategySpec | None, str]:
    known = _parsed.get((uid, generation))
    if known is None:
        if len(_parsed) >= _PARSED_LIMIT:
            _parsed.clear()
        known = _parsed[uid, generation] = _parse(spec)
    return known


def _parse(spec: dict[str, Any]) -> tuple[TradingStrategySpec | None, str]:
    try:
        return TradingStrategySpec.model_validate(spec), ""
    except ValidationError as error:
        return None, _sentence(error)


def _sentence(error: ValidationError) -> str:
    rows = error.errors(include_url=False, include_input=False)
    parts = [
        f"{'.'.join(str(part) for part in row['loc'])}: {row['msg']}" if row["loc"] else row["msg"]
        for row in rows
    ]
    return ("The spec is not valid. " + "; ".join(parts).replace("Value error, ", ""))[:900] + "."
