"""Every setting of the log-in worker; read once in `__main__` from `ALGO_LOGIN_*`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from algo_kube.errors import Misconfigured

KEY_FOLDER: Final = Path("/etc/algo-keys/login")
PREFIX: Final = "ALGO_LOGIN_"


def _text(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


def _hosts(value: str) -> frozenset[str]:
    hosts = frozenset(host.strip() for host in value.split(",") if host.strip())
    if not all(re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", host) for host in hosts):
        raise ValueError("must be a comma list of host or host:port")
    return hosts


def _echo(value: str) -> str:
    if value and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname):
        raise ValueError("must be an http:// or https:// address")
    return value


def _level(value: str) -> str:
    if value not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return value


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Durations carry their unit in the name."""

    namespace: str = "algo-system"
    """The platform's own, where the public keys are."""

    keys: Path = KEY_FOLDER
    """Folder of the private keys that open log-ins, one a file; the newest name is current."""

    broker_url_allowlist: frozenset[str] = frozenset()
    """Hosts, or host:port, that an account's baseUrl and feedUrl may name."""

    ip_echo_url: str = ""
    """Answers with the address it is asked from; asked through an account's proxy where the broker
    does not tell. Empty: nobody is asked."""

    log_level: str = "INFO"
    http_port: int = 8080
    """Metrics and probes; 0 picks a free port."""

    concurrency: int = 16
    """Accounts worked on at a time."""

    resync_seconds: int = 300
    """Every account is looked at once in this time."""


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "namespace": _text,
    "keys": Path,
    "broker_url_allowlist": _hosts,
    "ip_echo_url": _echo,
    "log_level": _level,
    "http_port": _whole(0, 65535),
    "concurrency": _whole(1, 64),
    "resync_seconds": _whole(1, 3600),
}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in the environment.

    Raises:
        Misconfigured: naming everything that is wrong.
    """
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for setting, read in _READERS.items():
        name = PREFIX + setting.upper()
        if name in environment:
            try:
                values[setting] = read(environment[name])
            except ValueError as error:
                wrong.append(f"{name}: {error}")
    if wrong:
        raise Misconfigured("\n".join(wrong))
    return Settings(**values)
