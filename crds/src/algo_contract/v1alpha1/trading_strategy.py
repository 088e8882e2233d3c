"""TradingStrategy: one symbol, bought and sold once a day by the clock, with a mandatory stop."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from algo_contract.money import paise
from algo_contract.states import Execution, Phase
from algo_contract.v1alpha1.base import Fields, Number, ObjectMeta, Rule, Spec, Whole
from algo_contract.v1alpha1.conditions import Condition

CLOCK_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
DATE_PATTERN = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
SESSION_OPEN = "09:15:00"
SESSION_CLOSE = "15:30:00"

Price = Annotated[Number, Field(gt=0, lt=1_000_000)]
Percent = Annotated[Number, Field(gt=0, lt=100)]
Clock = Annotated[str, Field(pattern=CLOCK_PATTERN, max_length=8)]
Day = Annotated[str, Field(pattern=DATE_PATTERN, max_length=10)]
Weekday = Literal["Mon", "Tue", "Wed", "Thu", "Fri"]

MONEY_FIELDS = (
    "stopLoss",
    "stopLossPercent",
    "limitPrice",
    "target",
    "targetPercent",
    "trailingStopPercent",
)
IMMUTABLE_FIELDS = ("symbol", "exchange", "mode")


def _distinct(days: list[Weekday]) -> list[Weekday]:
    if len(set(days)) < len(days):
        raise ValueError("names a day twice")
    return days


def _two_decimals(field: str) -> Rule:
    def check(spec: "TradingStrategySpec") -> bool:
        amount = getattr(spec, field)
        try:
            return amount is None or paise(amount) > 0
        except ValueError:
            return False

    # By arithmetic: the API server refuses a CRD that matches string(number), whose cost it takes
    # to be unbounded. An amount under a million has its hundredths exact to 1e-7 as a double.
    hundredths = f"self.{field} * 100.0"
    whole = f"double(int({hundredths} + 0.5))"
    return Rule(
        cel=f"!has(self.{field})"
        f" || ({hundredths} - {whole} < 0.000001 && {whole} - {hundredths} < 0.000001)",
        message=f"{field} must have at most two decimals",
        field=field,
        check=check,
    )


def _immutable(field: str) -> Rule:
    return Rule(
        cel=f"self.{field} == oldSelf.{field}",
        message=f"{field} cannot be changed: make a new strategy instead",
        field=field,
    )


class TradingStrategySpec(Spec):
    """What the trader wants."""

    exchange: Literal["NSE", "BSE"] = Field(
        "NSE", description="The exchange the share is traded on."
    )
    symbol: str = Field(
        min_length=1,
        max_length=32,
        pattern=r"^[A-Z0-9][A-Z0-9&-]*$",
        description="The exchange's trading symbol, in capitals: RELIANCE, M&M, BAJAJ-AUTO.",
    )
    buyTime: Clock = Field(description="When to buy, HH:MM:SS exchange time (Asia/Kolkata).")
    sellTime: Clock = Field(description="When to sell, HH:MM:SS exchange time, after buyTime.")
    stopLoss: Price | None = Field(
        None, description="Sell when the last price is at or under this price in rupees."
    )
    stopLossPercent: Percent | None = Field(
        None, description="The stop as a percentage under the average buying price."
    )
    quantity: Whole = Field(ge=1, le=1_000_000, description="How many shares to buy.")
    product: Literal["Intraday", "Delivery"] = Field(
        "Intraday",
        description="The broker's product; either way the position is sold the same day.",
    )
    brokerAccount: str | None = Field(
        None,
        min_length=1,
        max_length=253,
        description="A BrokerAccount in this namespace; none means paper on the shared feed.",
    )
    mode: Literal["Paper", "Live"] = Field(
        "Paper", description="Paper trades against a simulated book; Live sends real orders."
    )
    orderType: Literal["Market", "Limit"] = Field("Market", description="How to buy.")
    limitPrice: Price | None = Field(
        None, description="The most to pay per share; for orderType Limit."
    )
    target: Price | None = Field(
        None, description="Sell when the last price is at or over this price."
    )
    targetPercent: Percent | None = Field(
        None, description="The target as a percentage over the average buying price."
    )
    trailingStopPercent: Percent | None = Field(
        None,
        description="The stop also follows the highest price by this percentage and never falls.",
    )
    entryGraceSeconds: Whole = Field(
        60, ge=1, le=3600, description="How long after buyTime the entry may still be made."
    )
    tradingDays: Annotated[list[Weekday], AfterValidator(_distinct)] = Field(
        default=["Mon", "Tue", "Wed", "Thu", "Fri"],
        min_length=1,
        max_length=5,
        description="The weekdays to trade on; holidays are left out by the exchange's calendar.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    startDate: Day | None = Field(None, description="The first day to trade, YYYY-MM-DD.")
    endDate: Day | None = Field(None, description="The last day to trade, YYYY-MM-DD.")
    desiredState: Literal["Active", "Paused", "Stopped"] = Field(
        "Active",
        description="Active trades. Paused makes no new entry; an open position stays guarded. "
        "Stopped exits now and runs no pod.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.stopLoss) != has(self.stopLossPercent)",
            message="Stop-loss is mandatory: give exactly one of stopLoss and stopLossPercent",
            check=lambda s: (s.stopLoss is None) != (s.stopLossPercent is None),
        ),
        Rule(
            cel="self.buyTime < self.sellTime",
            message="sellTime must be after buyTime",
            field="sellTime",
            check=lambda s: s.buyTime < s.sellTime,
        ),
        Rule(
            cel=f"self.buyTime >= '{SESSION_OPEN}'",
            message="buyTime must not be before the market opens at 09:15:00",
            field="buyTime",
            check=lambda s: s.buyTime >= SESSION_OPEN,
        ),
        Rule(
            cel=f"self.sellTime <= '{SESSION_CLOSE}'",
            message="sellTime must not be after the market closes at 15:30:00",
            field="sellTime",
            check=lambda s: s.sellTime <= SESSION_CLOSE,
        ),
        Rule(
            cel="(self.orderType == 'Limit') == has(self.limitPrice)",
            message="limitPrice goes with orderType Limit, and only with it",
            check=lambda s: (s.orderType == "Limit") == (s.limitPrice is not None),
        ),
        Rule(
            cel="!(has(self.target) && has(self.targetPercent))",
            message="give at most one of target and targetPercent",
            check=lambda s: s.target is None or s.targetPercent is None,
        ),
        Rule(
            cel="!(has(self.target) && has(self.stopLoss)) || self.target > self.stopLoss",
            message="target must be above stopLoss",
            field="target",
            check=lambda s: s.target is None or s.stopLoss is None or s.target > s.stopLoss,
        ),
        Rule(
            cel="!(has(self.limitPrice) && has(self.stopLoss)) || self.limitPrice > self.stopLoss",
            message="limitPrice must be above stopLoss",
            field="limitPrice",
            check=lambda s: s.limitPrice is None or s.stopLoss is None or s.limitPrice > s.stopLoss,
        ),
        Rule(
            cel="!(has(self.target) && has(self.limitPrice)) || self.target > self.limitPrice",
            message="target must be above limitPrice",
            field="target",
            check=lambda s: s.target is None or s.limitPrice is None or s.target > s.limitPrice,
        ),
        Rule(
            cel="!(has(self.startDate) && has(self.endDate)) || self.startDate <= self.endDate",
            message="endDate must not be before startDate",
            field="endDate",
            check=lambda s: s.startDate is None or s.endDate is None or s.startDate <= s.endDate,
        ),
        Rule(
            cel="self.mode == 'Paper' || has(self.brokerAccount)",
            message="mode Live needs a brokerAccount",
            field="mode",
            check=lambda s: s.mode == "Paper" or s.brokerAccount is not None,
        ),
        *(_two_decimals(field) for field in MONEY_FIELDS),
        *(_immutable(field) for field in IMMUTABLE_FIELDS),
        Rule(
            cel="has(self.brokerAccount) == has(oldSelf.brokerAccount)"
            " && (!has(self.brokerAccount) || self.brokerAccount == oldSelf.brokerAccount)",
            message="brokerAccount cannot be changed: make a new strategy instead",
        ),
    )


class TradingStrategyStatus(Fields):
    """What the operator reports."""

    id: str | None = Field(None, description="The strategy's id, from the object's UID.")
    phase: Phase | None = Field(
        None, description="RUNNING while a pod exists, STOPPED when it trades no more, else ACTIVE."
    )
    execution: Execution | None = Field(None, description="Where today's trade stands.")
    reason: str | None = Field(None, description="Why execution is what it is.")
    observedGeneration: int | None = Field(None, description="The generation of the spec acted on.")
    runnerEpoch: int | None = Field(
        None, description="Raised before each pod: the runner's fencing token."
    )
    podName: str | None = Field(None, description="The runner pod, while there is one.")
    tradingDay: Day | None = Field(None, description="The trading day this status tells of.")
    averagePrice: float | None = Field(None, description="Average buying price in rupees.")
    position: int | None = Field(None, description="Shares held now.")
    stopPrice: float | None = Field(None, description="The stop in force, in rupees.")
    realizedPnl: float | None = Field(None, description="Profit or loss of the day in rupees.")
    lastAction: str | None = Field(
        None, max_length=256, description="The last thing done, in words."
    )
    nextRun: str | None = Field(
        None, description="When the next pod is due.", json_schema_extra={"format": "date-time"}
    )
    lastPrice: float | None = Field(
        None, description="Last price in rupees, at most once a minute."
    )
    conditions: list[Condition] = Field(
        default_factory=list[Condition],
        max_length=16,
        description="Ready, CredentialsReady, EgressReady, FeedHealthy, Protected.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class TradingStrategy(Fields):
    """A TradingStrategy as read from a file or the API server."""

    apiVersion: Literal["algotrading.io/v1alpha1"]
    kind: Literal["TradingStrategy"]
    metadata: ObjectMeta
    spec: TradingStrategySpec
    status: TradingStrategyStatus | None = None
