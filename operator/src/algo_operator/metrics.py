"""The operator's Prometheus metrics. Labels are bounded: no user, strategy or namespace in them."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

registry = REGISTRY

_FAST = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)

API_REQUESTS = Counter(
    "algo_operator_api_requests_total", "Requests to the API server.", ["verb", "resource", "code"]
)
API_SECONDS = Histogram(
    "algo_operator_api_seconds",
    "How long the API server took to answer.",
    ["verb", "resource"],
    buckets=_FAST,
)
QUEUE_DEPTH = Gauge("algo_operator_queue_depth", "Keys that wait to be reconciled now.")
QUEUE_OLDEST = Gauge(
    "algo_operator_queue_oldest_seconds", "How long the oldest of them has waited."
)
QUEUE_WAIT = Histogram(
    "algo_operator_queue_wait_seconds", "From being due to being taken up.", ["kind"], buckets=_FAST
)
QUEUE_ADDS = Counter("algo_operator_queue_adds_total", "Keys put into the queue.", ["priority"])
QUEUE_RETRIES = Counter("algo_operator_queue_retries_total", "Passes put off after an error.")
RECONCILE_SECONDS = Histogram(
    "algo_operator_reconcile_seconds", "How long a pass took.", ["kind"], buckets=_FAST
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
WATCH_AGE = Gauge(
    "algo_operator_watch_age_seconds", "How far a watch may be behind the API server.", ["watch"]
)
WATCH_RESTARTS = Counter("algo_operator_watch_restarts_total", "Watches begun anew.", ["watch"])
LOOP_LAG = Gauge("algo_operator_loop_lag_seconds", "How late the event loop runs its timers.")
LEASE_HELD = Gauge("algo_operator_lease_held", "1 while this process may act.")
REDIS_UP = Gauge("algo_operator_redis_up", "1 while a Redis server answers.", ["server"])
MIRROR_SECONDS = Histogram(
    "algo_operator_mirror_seconds", "One poll of all runners in session.", buckets=_FAST
)
MIRROR_FAILURES = Counter(
    "algo_operator_mirror_failures_total", "Steps of the mirror that failed by a fault.", ["step"]
)
SCRIPTS_ENDED = Counter(
    "algo_operator_redis_scripts_ended_total", "Scripts ended that held a server.", ["server"]
)
EVENTS_POSTED = Counter(
    "algo_operator_events_posted_total", "Kubernetes Events written, by type.", ["type"]
)
FOREIGN_SEAL_KEYS = Counter(
    "algo_operator_foreign_seal_keys_total",
    "Times that session.pub was a stranger's and was put right.",
)
