"""The custom resources of algotrading.io/v1alpha1 as Pydantic models.

They are the one source of the CRDs, their CEL rules and reference page, and the check at every
other door (API, replay). Field names are the resources' own (camelCase).
"""

from algo_contract.v1alpha1.broker_account import (
    BrokerAccount,
    BrokerAccountSpec,
    BrokerAccountStatus,
)
from algo_contract.v1alpha1.conditions import Condition
from algo_contract.v1alpha1.trading_strategy import (
    TradingStrategy,
    TradingStrategySpec,
    TradingStrategyStatus,
)

__all__ = [
    "BrokerAccount",
    "BrokerAccountSpec",
    "BrokerAccountStatus",
    "Condition",
    "TradingStrategy",
    "TradingStrategySpec",
    "TradingStrategyStatus",
]
