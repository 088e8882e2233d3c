"""The worker's figures in Prometheus' text format. No label names a user."""

from dataclasses import dataclass


@dataclass(slots=True)
class Metrics:
    """Counted since the start; gauges are set by whoever knows."""

    logins: int = 0
    refusals: int = 0
    failures: int = 0
    passes_failed: int = 0
    foreign_keys: int = 0
    accounts: int = 0
    watch_age_seconds: float = 0.0

    def text(self) -> str:
        """As Prometheus reads it."""
        rows = (
            ("logins_total", "counter", "Log-ins and renewals that worked.", self.logins),
            ("refusals_total", "counter", "Log-ins that a broker refused.", self.refusals),
            ("failures_total", "counter", "Brokers that could not be asked.", self.failures),
            ("passes_failed_total", "counter", "Passes ended by an error.", self.passes_failed),
            (
                "foreign_keys_total",
                "counter",
                "Times that login.pub was a stranger's and was put right.",
                self.foreign_keys,
            ),
            ("accounts", "gauge", "Accounts followed.", self.accounts),
            (
                "watch_age_seconds",
                "gauge",
                "Since the API server's last sign of life.",
                self.watch_age_seconds,
            ),
        )
        return "".join(
            f"# HELP algo_login_{name} {help_}\n# TYPE algo_login_{name} {kind}\n"
            f"algo_login_{name} {value}\n"
            for name, kind, help_, value in rows
        )
