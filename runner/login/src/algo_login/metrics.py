"""The worker's Prometheus metrics. No label names a user."""

from prometheus_client import Counter, Gauge

LOGINS = Counter("algo_login_logins_total", "Log-ins and renewals that worked.")
REFUSALS = Counter("algo_login_refusals_total", "Log-ins that a broker refused.")
FAILURES = Counter("algo_login_failures_total", "Brokers that could not be asked.")
PASSES_FAILED = Counter("algo_login_passes_failed_total", "Passes ended by an error.")
FOREIGN_KEYS = Counter(
    "algo_login_foreign_keys_total", "Times that login.pub was a stranger's and was put right."
)
ACCOUNTS = Gauge("algo_login_accounts", "Accounts followed.")
