"""Every setting of the operator; read once in `__main__` from `ALGO_OPERATOR_*`, then passed on."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from algo_contract.names import DEFAULT_STRATEGY_LIMIT
from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Durations carry their unit in the name."""

    model_config = SettingsConfigDict(env_prefix="ALGO_OPERATOR_", frozen=True, extra="ignore")

    namespace: str = Field("algo-system", description="The operator's own namespace.")
    runner_image: str = Field(description="Image of runner pods.", min_length=1)
    state_redis_url: str = Field(description="redis-state, redis://host:port.")
    ticks_redis_url: str = Field(description="redis-ticks, redis://host:port.")
    runner_state_redis_url: str = Field("", description="redis-state as runner pods reach it.")
    runner_ticks_redis_url: str = Field("", description="redis-ticks as runner pods reach it.")
    redis_username: str = Field("operator", description="The operator's user on both servers.")
    redis_password_file: Path | None = Field(
        None, description="File with its password; none: no log-in."
    )
    strategy_limit: int = Field(DEFAULT_STRATEGY_LIMIT, ge=0, description="Strategies a tenant.")
    pod_lead_seconds: int = Field(
        180, ge=0, le=3600, description="A pod is made this long before buyTime."
    )
    runner_priority_class: str = Field("", description="priorityClassName of runner pods.")
    runner_pull_secret: str = Field("", description="imagePullSecrets name of runner pods.")
    runner_cpu_request: str = Field("10m", description="CPU request of a runner.")
    runner_memory_request: str = Field("32Mi", description="Memory request of a runner.")
    runner_memory_limit: str = Field("64Mi", description="Memory limit of a runner.")
    feed_cpu_request: str = Field("50m", description="CPU request of a feed.")
    feed_memory_request: str = Field("64Mi", description="Memory request of a feed.")
    feed_memory_limit: str = Field("192Mi", description="Memory limit of a feed.")
    feed_lead_seconds: int = Field(
        300, ge=0, le=3600, description="A feed is made this long before its first runner."
    )
    session_keys: Path | None = Field(
        None, description="Folder with the keys that open accounts' sessions; none: paper only."
    )
    broker_url_allowlist: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="Hosts, or host:port, that accounts' baseUrl and feedUrl may name; comma list.",
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Log level.")
    http_port: int = Field(
        8080, ge=0, le=65535, description="Metrics and probes; 0 picks a free port."
    )
    concurrency: int = Field(16, ge=1, le=256, description="Reconcile passes at a time.")
    resync_seconds: float = Field(
        600, gt=0, description="Every object is looked at once in this time."
    )
    poll_milliseconds: int = Field(
        300, ge=20, le=1000, description="How often runners' states are polled."
    )
    audit_seconds: float = Field(
        30, gt=0, description="How often caches are compared with the API server."
    )
    watch_stale_seconds: float = Field(90, gt=0, description="A watch this far behind is dead.")
    lease_seconds: int = Field(15, ge=3, description="How long the Lease holds unrenewed.")
    lease_renew_seconds: float = Field(3, gt=0, description="How often the Lease is renewed.")
    node_lost_seconds: float = Field(
        20, gt=0, description="NotReady nodes lose their runners after this."
    )
    stuck_deletion_seconds: float = Field(
        60, gt=0, description="A deletion not flat by then is reported."
    )

    @field_validator("broker_url_allowlist", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [host.strip() for host in value.split(",") if host.strip()]
            if isinstance(value, str)
            else value
        )

    @field_validator(
        "state_redis_url", "ticks_redis_url", "runner_state_redis_url", "runner_ticks_redis_url"
    )
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme != "redis" or not parts.hostname or parts.password):
            raise ValueError("must be redis://host:port, without a password")
        return value

    @model_validator(mode="after")
    def _lease(self) -> Self:
        if self.lease_renew_seconds * 3 > self.lease_seconds:
            raise ValueError("lease_renew_seconds must be at most a third of lease_seconds")
        return self


def host_and_port(url: str) -> tuple[str, int]:
    """The address in a redis:// URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 6379


def redis_password(settings: Settings) -> str | None:
    """The operator's Redis password, or None for no log-in."""
    if settings.redis_password_file is None:
        return None
    return settings.redis_password_file.read_text(encoding="utf-8").strip()
