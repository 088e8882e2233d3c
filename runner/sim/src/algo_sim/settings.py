"""Options of `algo-sim`: the command line, the account file, the scenario file."""

import argparse
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from algo_sim.exchange.orders import FillRule

BROKERS: Final = ("zerodha", "dhan")
ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "zerodha": {
        "api_key": "simkey",
        "api_secret": "simsecret",
        "user_id": "SIM001",
        "redirect_url": "",
    },
    "dhan": {
        "client_id": "1100000001",
        "pin": "123456",
        "totp_seed": "JBSWY3DPEHPK3PXP",
        "last_trade": "clock",
        "void_older_tokens": False,
        "strict_totp": False,
    },
}
"""So that tests and demonstrations need no file."""

AVAILABLE_PAISE: Final = 1_000_000_00
"""Ten lakh rupees."""

COMMON: Final = {
    "available_paise": AVAILABLE_PAISE,
    "registered_ip": "",
    "square_off": "",
    "packets": "clock",
}
CHOICES: Final[dict[str, tuple[object, ...]]] = {
    "packets": ("clock", "change"),
    "last_trade": ("clock", "previous_day"),
    "void_older_tokens": (False, True),
    "strict_totp": (False, True),
}
"""What those options of an account may be; the first is what they are without a word."""

_MOST_BYTES: Final = 1_000_000


class SettingsError(ValueError):
    """An option that makes no sense, with its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All options."""

    ticks: Path
    brokers: tuple[str, ...]
    speed: float | None
    """Times real time; infinite is as fast as it goes; None: only when told (manual)."""

    start_at_once: bool
    host: str
    ports: dict[str, int]
    """Of each broker and of `admin`; 0 is any free one."""

    tls: tuple[Path, Path] | None
    """Certificate and key for the brokers' ports."""

    instruments: int
    fill: FillRule
    closing_auction: str
    """HH:MM at which to hold an auction on a day that had none; empty: by the dated rule."""

    accounts: dict[str, dict[str, Any]]
    scenario: tuple[dict[str, Any], ...] = field(default=())


def read_settings(words: list[str]) -> Settings:
    """From the command line.

    Raises:
        SettingsError: a file or a value is not good.
        SystemExit: argparse's own, for --help and unknown options.
    """
    options = _parser().parse_args(words)
    if bool(options.tls_cert) != bool(options.tls_key):
        raise SettingsError("--tls-cert and --tls-key go together")
    brokers = tuple(dict.fromkeys(options.broker or BROKERS))
    return Settings(
        ticks=options.ticks,
        brokers=brokers,
        speed=_speed(options.speed),
        start_at_once=options.start,
        host=options.host,
        ports={
            "zerodha": options.zerodha_port,
            "dhan": options.dhan_port,
            "admin": options.admin_port,
        },
        tls=(options.tls_cert, options.tls_key) if options.tls_cert else None,
        instruments=options.instruments,
        fill=options.fill,
        closing_auction=options.closing_auction,
        accounts=_accounts(options.account),
        scenario=_scenario(options.scenario),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="algo-sim",
        description="Simulated brokers: their wire protocols over one exchange that replays ticks.",
    )
    add = parser.add_argument
    _ = add("--ticks", type=Path, required=True, metavar="FILE", help="recorded ticks, CSV")
    _ = add("--broker", action="append", choices=BROKERS, help="repeat for several; all without")
    _ = add("--speed", default="manual", metavar="N|max|manual", help="times real time")
    _ = add("--start", action="store_true", help="do not wait for POST /admin/start")
    _ = add("--scenario", type=Path, metavar="FILE", help="faults by exchange time, YAML or JSON")
    _ = add("--host", default="127.0.0.1", help="address to listen on")
    for name in (*BROKERS, "admin"):
        _ = add(f"--{name}-port", type=int, default=0, metavar="P", help="0: any free port")
    _ = add("--tls-cert", type=Path, metavar="F", help="serve the brokers over TLS")
    _ = add("--tls-key", type=Path, metavar="F")
    _ = add("--instruments", type=int, default=100, metavar="N", help="rows in the master, about")
    _ = add("--account", type=Path, metavar="FILE", help="JSON: broker -> what differs")
    _ = add("--fill", choices=("whole", "volume", "none"), default="whole", help="how orders fill")
    _ = add("--closing-auction", default="", metavar="HH:MM", help="hold one on any day")
    return parser


def _speed(text: str) -> float | None:
    if text == "manual":
        return None
    try:
        speed = math.inf if text == "max" else float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise SettingsError("--speed must be a number above 0, max or manual")
    return speed


def _accounts(path: Path | None) -> dict[str, dict[str, Any]]:
    own = _document(path, "--account") if path else {}
    if not isinstance(own, dict) or not all(isinstance(value, dict) for value in own.values()):
        raise SettingsError("--account must hold an object of objects: broker -> settings")
    unknown = set(own) - set(BROKERS)
    if unknown:
        raise SettingsError(f"--account names no broker: {', '.join(sorted(unknown))}")
    accounts = {name: {**COMMON, **ACCOUNTS[name], **own.get(name, {})} for name in BROKERS}
    for account in accounts.values():
        account["limits"] = _limits(account.get("limits", {}))
        for option, values in CHOICES.items():
            if account.get(option, values[0]) not in values:
                raise SettingsError(f"--account: {option} is one of {json.dumps(values)}")
    return accounts


def _limits(own: Any) -> dict[str, dict[int, int]]:
    """Class of calls → {seconds: most}; JSON has text in place of the seconds."""
    try:
        return {
            name: {int(seconds): int(most) for seconds, most in windows.items()}
            for name, windows in own.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingsError('--account: limits look like {"quote": {"1": 100}}') from error


def _scenario(path: Path | None) -> tuple[dict[str, Any], ...]:
    rows = _document(path, "--scenario") if path else []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SettingsError("--scenario must hold a list of faults")
    return tuple(rows)


def _document(path: Path, option: str) -> Any:
    """JSON, or YAML where the file's name says so."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_BYTES)
        return _yaml(text) if path.suffix in {".yaml", ".yml"} else json.loads(text)
    except OSError as error:
        raise SettingsError(f"{option} {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{option} {path}: not readable: {error}") from error


def _yaml(text: str) -> Any:
    """Loaded only for a file that needs it."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
