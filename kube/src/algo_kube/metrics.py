"""The kit's Prometheus metrics; the job that Prometheus scrapes tells the controllers apart."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

registry = REGISTRY

FAST = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
"""Buckets in seconds."""

API_REQUESTS = Counter(
    "algo_kube_api_requests_total", "Requests to the API server.", ["verb", "resource", "code"]
)
API_SECONDS = Histogram(
    "algo_kube_api_seconds",
    "How long the API server took to answer.",
    ["verb", "resource"],
    buckets=FAST,
)
QUEUE_DEPTH = Gauge("algo_kube_queue_depth", "Keys that wait to be reconciled now.")
QUEUE_OLDEST = Gauge("algo_kube_queue_oldest_seconds", "How long the oldest of them has waited.")
QUEUE_WAIT = Histogram(
    "algo_kube_queue_wait_seconds", "From being due to being taken up.", ["kind"], buckets=FAST
)
QUEUE_ADDS = Counter("algo_kube_queue_adds_total", "Keys put into the queue.", ["priority"])
QUEUE_RETRIES = Counter("algo_kube_queue_retries_total", "Passes put off after an error.")
WATCH_AGE = Gauge(
    "algo_kube_watch_age_seconds", "How far a watch may be behind the API server.", ["watch"]
)
WATCH_RESTARTS = Counter("algo_kube_watch_restarts_total", "Watches begun again.", ["watch"])
LOOP_LAG = Gauge("algo_kube_loop_lag_seconds", "How late the event loop runs its timers.")
LEASE_HELD = Gauge("algo_kube_lease_held", "1 while this process may act.")
EVENTS_POSTED = Counter(
    "algo_kube_events_posted_total", "Kubernetes Events written, by type.", ["type"]
)
