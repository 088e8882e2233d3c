"""BrokerAccount: a broker log-in, its feed and its limits."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from algo_contract.brokers import BrokerName
from algo_contract.v1alpha1.base import Fields, Flag, Number, ObjectMeta, Rule, Spec, Whole
from algo_contract.v1alpha1.conditions import Condition

Envelope = Annotated[str, Field(max_length=16_384, pattern=r"^[A-Za-z0-9+/=_-]*$")]
Url = Annotated[str, Field(max_length=512, pattern=r"^(https?|wss?)://[^ ]+$")]

Proxy = Annotated[str, Field(max_length=512, pattern=r"^http://[^ @/?#]+/?$")]
"""Brokers are reached through it by CONNECT; a password in it would be read with the account."""


class AccountFeed(Fields):
    """The account's market data."""

    enabled: Flag = Field(True, description="Whether the account's own feed may be used.")
    shared: Flag = Field(
        False,
        description="The feed serves every strategy without an account; for the platform's own.",
    )


class AccountLimits(Fields):
    """Limits over all strategies of the account."""

    ordersPerSecond: Whole = Field(8, ge=1, le=8, description="Orders sent in any second.")
    maxDailyLoss: Number | None = Field(
        None,
        gt=0,
        le=1_000_000_000,
        description="Loss in rupees at which everything is sold for the day.",
    )


class BrokerAccountSpec(Spec):
    """Which broker, and how to reach it."""

    broker: BrokerName = Field(description="The broker.")
    sealedLogin: Envelope | None = Field(None, description="Sealed log-in secrets (algo-seal).")
    sealedSession: Envelope | None = Field(
        None, description="Sealed session, written by the log-in worker."
    )
    sealedCallback: Envelope | None = Field(None, description="Sealed return of a browser log-in.")
    feed: AccountFeed = Field(
        default=AccountFeed(enabled=True, shared=False), description="The account's market data."
    )
    clock: Literal["Wall", "Feed"] = Field(
        "Wall", description="Feed follows recorded ticks' time; only for paper or a simulator."
    )
    limits: AccountLimits = Field(
        default=AccountLimits(ordersPerSecond=8, maxDailyLoss=None),
        description="Limits of the account.",
    )
    egressProxy: Proxy | None = Field(
        None, description="Proxy (http://HOST:PORT) whose address the broker knows."
    )
    registeredIP: str | None = Field(
        None,
        max_length=45,
        pattern=r"^[0-9A-Fa-f.:]+$",
        description="The address registered at the broker.",
    )
    baseUrl: Url | None = Field(None, description="Another REST address; hosts are allow-listed.")
    feedUrl: Url | None = Field(None, description="Another feed address; hosts are allow-listed.")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.broker == oldSelf.broker",
            message="broker cannot be changed: make a new account instead",
            field="broker",
        ),
        Rule(
            cel="self.clock == 'Wall' || self.broker == 'paper' || has(self.baseUrl)",
            message="clock Feed is only for broker paper or a simulator (baseUrl)",
            field="clock",
            check=lambda s: s.clock == "Wall" or s.broker == "paper" or s.baseUrl is not None,
        ),
    )


class FeedStatus(Fields):
    """The feed as last seen."""

    healthy: bool | None = Field(None, description="Ticks arrive, or the market is closed.")
    lastTick: str | None = Field(
        None, description="When the newest tick came.", json_schema_extra={"format": "date-time"}
    )
    message: str | None = Field(None, max_length=256, description="The feed's state in words.")


class BrokerAccountStatus(Fields):
    """What the operator reports."""

    id: str | None = Field(None, description="The account's id, from the object's UID.")
    phase: Literal["READY", "LOGIN_NEEDED", "FAILED"] | None = Field(
        None, description="At a glance."
    )
    observedGeneration: int | None = Field(None, description="The generation of the spec acted on.")
    tokenExpiresAt: str | None = Field(
        None, description="When the session ends.", json_schema_extra={"format": "date-time"}
    )
    lastLogin: str | None = Field(
        None, description="When it was made.", json_schema_extra={"format": "date-time"}
    )
    loginURL: str | None = Field(None, max_length=2048, description="Where a person logs in.")
    observedIP: str | None = Field(None, max_length=45, description="The address the broker sees.")
    feed: FeedStatus | None = Field(None, description="The feed as last seen.")
    conditions: list[Condition] = Field(
        default_factory=list[Condition],
        max_length=16,
        description="Ready, CredentialsReady, EgressReady, FeedHealthy; LoggedIn (log-in worker).",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class BrokerAccount(Fields):
    """A BrokerAccount as read from a file or the API server."""

    apiVersion: Literal["algotrading.io/v1alpha1"]
    kind: Literal["BrokerAccount"]
    metadata: ObjectMeta
    spec: BrokerAccountSpec
    status: BrokerAccountStatus | None = None
