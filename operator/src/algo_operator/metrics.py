"""The operator's Prometheus metrics. Labels are bounded: no user, strategy or namespace in them."""

from algo_kube.metrics import FAST
from prometheus_client import Counter, Gauge, Histogram

RECONCILE_SECONDS = Histogram(
    "algo_operator_reconcile_seconds", "How long a pass took.", ["kind"], buckets=FAST
)
RECONCILE_RESULTS = Counter(
    "algo_operator_reconcile_total",
    "Passes by kind and result: ok or the reason of the error.",
    ["kind", "result"],
)
ACTIONS = Counter("algo_operator_actions_total", "Actions taken, by kind.", ["action"])
STRATEGIES = Gauge("algo_operator_strategies", "Strategies by phase.", ["phase"])
PODS = Gauge("algo_operator_runner_pods", "Runner pods by state.", ["state"])
FEED_PODS = Gauge("algo_operator_feed_pods", "Feed pods by state.", ["state"])
IN_POSITION = Gauge(
    "algo_operator_strategies_in_position", "Strategies that hold shares or have a live order."
)
UNPROTECTED = Gauge(
    "algo_operator_strategies_unprotected", "Strategies in position that nothing guards now."
)
HEARTBEAT_AGE = Gauge(
    "algo_operator_runner_heartbeat_age_seconds",
    "Age of the oldest heartbeat of a runner in position.",
)
STUCK_DELETIONS = Gauge(
    "algo_operator_stuck_deletions", "Deleted strategies that are not flat in time."
)
REDIS_UP = Gauge("algo_operator_redis_up", "1 while a Redis server answers.", ["server"])
MIRROR_SECONDS = Histogram(
    "algo_operator_mirror_seconds", "One poll of all runners in session.", buckets=FAST
)
MIRROR_FAILURES = Counter(
    "algo_operator_mirror_failures_total", "Steps of the mirror that failed by a fault.", ["step"]
)
SCRIPTS_ENDED = Counter(
    "algo_operator_redis_scripts_ended_total", "Scripts ended that held a server.", ["server"]
)
FOREIGN_SEAL_KEYS = Counter(
    "algo_operator_foreign_seal_keys_total",
    "Times that session.pub was a stranger's and was put right.",
)
