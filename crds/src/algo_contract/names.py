"""Names that users, outside checks and every part of the product rely on (fixed)."""

from typing import Final

GROUP: Final = "algotrading.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

STRATEGY_KIND: Final = "TradingStrategy"
STRATEGY_PLURAL: Final = "tradingstrategies"
ACCOUNT_KIND: Final = "BrokerAccount"
ACCOUNT_PLURAL: Final = "brokeraccounts"

FINALIZER: Final = f"{GROUP}/flat"
"""On a TradingStrategy: it goes only when its position is flat."""
ACCOUNT_FINALIZER: Final = f"{GROUP}/in-use"
"""On a BrokerAccount: it stays while a strategy of it is in position."""

TENANT_LABEL: Final = f"{GROUP}/tenant"
STRATEGY_UID_LABEL: Final = f"{GROUP}/strategy-uid"
STRATEGY_NAME_LABEL: Final = f"{GROUP}/strategy"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
RUNNER_COMPONENT: Final = "runner"
FEED_COMPONENT: Final = "feed"
ACCOUNT_ID_LABEL: Final = f"{GROUP}/account-id"
"""On feed pods and on runners that trade for real: whose broker they may reach."""
ACCOUNT_NAME_LABEL: Final = f"{GROUP}/account"

READY_ANNOTATION: Final = f"{GROUP}/ready"
"""On a tenant namespace: its quota counts, strategies may come."""
STRATEGY_LIMIT_ANNOTATION: Final = f"{GROUP}/strategy-limit"
IN_POSITION_ANNOTATION: Final = f"{GROUP}/in-position"
EXIT_REQUESTED_ANNOTATION: Final = f"{GROUP}/exit-requested"
ABANDON_ANNOTATION: Final = f"{GROUP}/abandon-position"
RESOLVED_ANNOTATION: Final = f"{GROUP}/resolved"
ASSIGNMENT_ANNOTATION: Final = f"{GROUP}/assignment"
"""On a runner or feed pod: changed so that the kubelet syncs the Secret's volume at once."""
LOGIN_REQUESTED_ANNOTATION: Final = f"{GROUP}/login-requested"
"""On a BrokerAccount: a time (RFC 3339); a session made before it is good no more, so the log-in
worker makes another. Set by people, and by whoever sees the broker refuse a token early."""
LOGIN_NOTE_ANNOTATION: Final = f"{GROUP}/log-in"
"""On a BrokerAccount: what the log-in worker remembers; no secret."""
LOGGED_IN_CONDITION: Final = "LoggedIn"
"""On a BrokerAccount: the log-in worker's own condition, all others are the operator's."""

DEFAULT_STRATEGY_LIMIT: Final = 10

SECRET_FOLDER: Final = "/etc/algo"  # noqa: S105 - a folder
"""Where a runner or feed pod mounts its Secret."""

METRICS_PORT: Final = 9100
"""Where a runner or a feed answers /metrics, /healthz and /readyz."""
