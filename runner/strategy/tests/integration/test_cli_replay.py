"""`algo-runner replay`: the JSON, the exit status, and every bad input in words."""

import contextlib
import gzip
import io
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from algo_contract import calendar
from algo_contract.trading_day import ist_datetime
from algo_contract.v1alpha1 import TradingStrategy
from algo_contract.v1alpha1.conversion import engine_strategy
from algo_engine.tick_file import HEADER, read_ticks
from algo_runner.cli.replay import main
from support.factories.oracle import expected

ROOT = Path(__file__).resolve().parents[4]
COMMAND = ROOT / ".venv/bin/algo-runner"
DATA = ROOT / "tests/data"
NINTH, TENTH = DATA / "YESBANK-20190709.csv", DATA / "YESBANK-20190710.csv"

DAY_KEYS = [
    "strategy", "trading_day", "execution", "reason", "orders", "position", "realized_pnl",
    "ticks", "elapsed_s",
]  # fmt: skip
ORDER_KEYS = [
    "id", "tag", "leg", "side", "quantity", "type", "price", "trigger_price", "status",
    "filled_quantity", "average_price", "time",
]  # fmt: skip
SPEC = {
    "symbol": "YESBANK",
    "buyTime": "09:20:00",
    "sellTime": "15:05:00",
    "stopLoss": 93.0,
    "quantity": 10,
}

Done = subprocess.CompletedProcess[str]


def run_process(*arguments: str | Path) -> Done:
    """The command as its users run it."""
    command = [str(word) for word in (COMMAND, "replay", *arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def run(*arguments: str | Path) -> Done:
    """The same in this process: a traceback is an exception here."""
    words = [str(word) for word in arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(words)
        except SystemExit as error:
            status = int(error.code or 0)
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


def strategy_file(folder: Path, changes: dict[str, Any] | None = None) -> Path:
    spec = {k: v for k, v in (SPEC | (changes or {})).items() if v is not None}
    path = folder / "strategy.yaml"
    resource = {
        "apiVersion": "algotrading.io/v1alpha1",
        "kind": "TradingStrategy",
        "metadata": {"name": "mine"},
        "spec": spec,
    }
    path.write_text(yaml.safe_dump(resource), encoding="utf-8")
    return path


def tick_file(folder: Path, rows: Sequence[tuple[str, float]], *, symbol: str = "YESBANK") -> Path:
    path = folder / "ticks.csv"
    lines = [f"{time}+05:30,NSE,{symbol},{price:.2f},1,1" for time, price in rows]
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def days(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(folder: Path, changes: dict[str, Any], ticks: Path = NINTH) -> str:
    done = run("--strategy", strategy_file(folder, changes), "--ticks", ticks, "--json")
    assert done.returncode == 2, done
    assert done.stdout == ""
    return done.stderr


GOLDEN = [
    (NINTH, {}, ("stop_loss", 94.6, 92.8, -18.0)),
    (
        NINTH,
        {"stopLoss": None, "stopLossPercent": 5.5, "buyTime": "09:30:00", "quantity": 25},
        None,
    ),
    (NINTH, {"target": 95.0}, None),
    (NINTH, {"trailingStopPercent": 0.8}, None),
    (NINTH, {"orderType": "Limit", "limitPrice": 94.0, "entryGraceSeconds": 3600}, None),
    (NINTH, {"stopLoss": 95.0}, None),
    (TENTH, {}, None),
    (TENTH, {"stopLoss": 85.5}, None),
    (TENTH, {"stopLoss": None, "stopLossPercent": 1.25, "targetPercent": 0.5}, None),
    (TENTH, {"stopLoss": None, "stopLossPercent": 0.75, "buyTime": "11:00:00"}, None),
]


@pytest.mark.parametrize(("ticks", "changes", "known"), GOLDEN)
def test_a_recorded_day__ends_as_the_oracle_says(
    ticks: Path, changes: dict[str, Any], known: tuple[Any, ...] | None, tmp_path: Path
) -> None:
    file = strategy_file(tmp_path, changes)
    (day,) = days(run("--strategy", file, "--ticks", ticks, "--json"))

    resource = TradingStrategy.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    strategy = engine_strategy(resource.spec, uid="u", namespace="n", name="mine")
    recorded = list(read_ticks(ticks))
    date = ist_datetime(recorded[0][2]).date()
    session = calendar.session(date, broker="paper", has_closing_auction=True)
    wanted = expected(strategy, session, [(t[2], t[3]) for t in recorded], step=5)

    fills = [(o["side"], o["average_price"]) for o in day["orders"] if o["filled_quantity"]]
    assert (day["execution"], day["reason"]) == (wanted.execution, wanted.reason)
    if wanted.bought_at is None or wanted.sold_at is None:
        assert fills == []
    else:
        assert fills == [("BUY", wanted.bought_at / 100), ("SELL", wanted.sold_at / 100)]
    assert day["realized_pnl"] == wanted.pnl(strategy.quantity) / 100
    assert day["ticks"] == len(recorded)
    if known is not None:
        assert (day["reason"], *(price for _, price in fills), day["realized_pnl"]) == known


def test_the_json__has_the_shape_of_the_contract(tmp_path: Path) -> None:
    done = run_process("--strategy", strategy_file(tmp_path), "--ticks", NINTH, "--json")

    assert done.returncode == 0
    (day,) = days(done)
    assert list(day) == DAY_KEYS
    assert [list(order) for order in day["orders"]] == [ORDER_KEYS, ORDER_KEYS]
    assert day["strategy"]["stopLoss"] == 93.0
    assert day["strategy"]["exchange"] == "NSE"
    assert day["trading_day"] == "2019-07-09"
    assert day["position"] == 0
    assert [order["leg"] for order in day["orders"]] == ["entry", "exit"]
    assert [order["side"] for order in day["orders"]] == ["BUY", "SELL"]
    assert all(order["status"] == "FILLED" for order in day["orders"])
    assert all(re.fullmatch(r"[A-Z2-7]{20}", order["tag"]) for order in day["orders"])
    assert all(order["id"] == "ord_" + order["tag"].lower() for order in day["orders"])
    assert all(order["time"].endswith("+05:30") for order in day["orders"])
    assert 0 < day["elapsed_s"] < 10


def test_twice_the_same__is_the_same(tmp_path: Path) -> None:
    file = strategy_file(tmp_path)
    first, second = (
        days(run_process("--strategy", file, "--ticks", NINTH, "--json")) for _ in range(2)
    )
    for day in (*first, *second):
        del day["elapsed_s"]

    assert first == second


def test_for_people__the_story_and_its_end(tmp_path: Path) -> None:
    done = run_process("--strategy", strategy_file(tmp_path), "--ticks", NINTH)

    assert done.returncode == 0
    assert "SOLD (stop_loss)" in done.stdout
    assert "-₹18.00" in done.stdout


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stopLoss": 95.0}, "price_below_stop"),
        ({"orderType": "Limit", "limitPrice": 93.05}, "limit_not_reached"),
    ],
)
def test_never_bought__waits_with_its_reason_and_ends_flat(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    done = run("--strategy", strategy_file(tmp_path, changes), "--ticks", NINTH, "--json")

    assert done.returncode == 0
    (day,) = days(done)
    assert (day["execution"], day["reason"], day["position"]) == ("WAITING", reason, 0)


def test_missed__when_no_tick_came_within_the_grace(tmp_path: Path) -> None:
    ticks = tick_file(tmp_path, [("2019-07-09T09:19:59", 95), ("2019-07-09T09:21:01", 95)])

    (day,) = days(run("--strategy", strategy_file(tmp_path), "--ticks", ticks, "--json"))

    assert (day["execution"], day["reason"], day["orders"]) == ("WAITING", "missed", [])


def test_the_last_tick_inside_the_session__is_sold_at(tmp_path: Path) -> None:
    rows = [("09:20:00", 95.0), ("10:00:00", 96.0), ("15:30:01", 99.0), ("09:00:00", 50.0)]
    ticks = tick_file(tmp_path, [(f"2019-07-09T{clock}", price) for clock, price in rows])

    (day,) = days(run("--strategy", strategy_file(tmp_path), "--ticks", ticks, "--json"))

    assert (day["reason"], day["realized_pnl"], day["ticks"]) == ("sell_time", 10.0, 4)


def test_several_days__each_a_run_of_its_own(tmp_path: Path) -> None:
    both = tmp_path / "both.csv"
    tenth = TENTH.read_text(encoding="utf-8").split("\n", 1)[1]
    both.write_text(NINTH.read_text(encoding="utf-8") + tenth, encoding="utf-8")
    file = strategy_file(tmp_path, {"stopLoss": 85.0})

    done = run("--strategy", file, "--ticks", both, "--json")
    alone = [days(run("--strategy", file, "--ticks", day, "--json"))[0] for day in (NINTH, TENTH)]

    together = days(done)
    for day in (*together, *alone):
        del day["elapsed_s"]
    assert done.returncode == 0
    assert together == alone
    assert len({order["tag"] for day in together for order in day["orders"]}) == 4


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("2019-08-15", "no trading"),  # Independence Day
        ("2019-07-13", "no trading"),  # a Saturday
        ("2026-11-24", "no trading"),
        ("2019-07-12", "does not trade"),  # a Friday that the strategy leaves out
    ],
)
def test_a_day_without_trading__is_passed_over_and_said(
    date: str, words: str, tmp_path: Path
) -> None:
    rows = [
        (f"{date}T09:20:00", 95.0),
        ("2027-01-04T09:20:00", 95.0),
        ("2027-01-04T09:21:00", 96.0),
    ]
    file = strategy_file(tmp_path, {"tradingDays": ["Mon", "Tue", "Wed", "Thu"]})

    done = run("--strategy", file, "--ticks", tick_file(tmp_path, rows), "--json")

    assert done.returncode == 0
    assert [day["trading_day"] for day in days(done)] == ["2027-01-04"]
    assert date in done.stderr
    assert words in done.stderr


def test_days_outside_its_dates__are_passed_over(tmp_path: Path) -> None:
    file = strategy_file(tmp_path, {"startDate": "2019-07-10", "endDate": "2019-07-10"})

    assert days(run("--strategy", file, "--ticks", NINTH, "--json")) == []


def test_other_instruments__are_passed_over(tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.csv"
    lines = NINTH.read_text(encoding="utf-8").splitlines()
    others = [line.replace("YESBANK", "OTHER").replace(",9", ",1") for line in lines[1:]]
    woven = [line for pair in zip(lines[1:], others, strict=True) for line in pair]
    mixed.write_text("\n".join([lines[0], *woven]) + "\n", encoding="utf-8")
    file = strategy_file(tmp_path)

    (mixed_day,) = days(run("--strategy", file, "--ticks", mixed, "--json"))
    (plain_day,) = days(run("--strategy", file, "--ticks", NINTH, "--json"))

    assert mixed_day["orders"] == plain_day["orders"]
    assert mixed_day["ticks"] == plain_day["ticks"]


def test_gzip__is_read_as_well(tmp_path: Path) -> None:
    packed = tmp_path / "ticks.csv.gz"
    packed.write_bytes(gzip.compress(NINTH.read_bytes()))

    done = run("--strategy", strategy_file(tmp_path), "--ticks", packed, "--json")

    assert (done.returncode, days(done)[0]["reason"]) == (0, "stop_loss")


def test_slippage__makes_both_fills_worse(tmp_path: Path) -> None:
    file = strategy_file(tmp_path)

    (day,) = days(run("--strategy", file, "--ticks", NINTH, "--json", "--slippage-bps", "10"))

    buy, sell = (order["average_price"] for order in day["orders"])
    assert (buy, sell) == (94.7, 92.7)  # 94.60 + 0.0946 and 92.80 - 0.0928, against the trader
    assert day["realized_pnl"] == -20.0


def test_charges__are_taken_off_and_named(tmp_path: Path) -> None:
    file = strategy_file(tmp_path)

    (day,) = days(run("--strategy", file, "--ticks", NINTH, "--json", "--charges"))

    assert list(day) == [*DAY_KEYS, "charges"]
    # Bought for 946.00, sold for 928.00: brokerage 0.5622, exchange 0.0557, SEBI 0.0019,
    # securities tax 0.2320, stamp 0.0284, GST 18 % of the first three 0.1116.
    assert day["charges"] == 0.99
    assert day["realized_pnl"] == -18.99


@pytest.mark.parametrize("value", ["-1", "1.5", "x", "10000", ""])
def test_an_impossible_slippage__is_refused(value: str, tmp_path: Path) -> None:
    done = run("--strategy", strategy_file(tmp_path), "--ticks", NINTH, f"--slippage-bps={value}")

    assert done.returncode == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stopLoss": None}, "Stop-loss is mandatory"),
        ({"stopLossPercent": 1.0}, "Stop-loss is mandatory"),
        ({"sellTime": "09:00:00"}, "sellTime must be after buyTime"),
        ({"buyTime": "09:00:00"}, "buyTime must not be before the market opens"),
        ({"sellTime": "15:45:00"}, "sellTime must not be after the market closes"),
        ({"sellTime": "15:20:00"}, "the latest is 15:18:00"),
        ({"buyTime": "9:20"}, "buyTime"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1_000_000_000}, "quantity"),
        ({"quantity": "ten"}, "quantity"),
        ({"exchange": "MCX"}, "exchange"),
        ({"exchange": "BSE"}, "no tick of BSE:YESBANK"),
        ({"symbol": "NOSUCH"}, "no tick of NSE:NOSUCH"),
        ({"stopLoss": 93.005}, "at most two decimals"),
        ({"target": 90.0}, "target must be above stopLoss"),
        ({"stopLos": 93.0}, "stopLos"),
    ],
)
def test_a_wrong_strategy__is_refused_in_words(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    assert words in refused(tmp_path, changes)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    words = refused(tmp_path, {"stopLoss": None, "sellTime": "09:00:00"})

    assert "Stop-loss is mandatory" in words
    assert "sellTime must be after buyTime" in words


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---\n---\n",
        "just words",
        "- a\n- list\n",
        "5",
        "{unclosed: [",
        "a: b: c",
        "\x00",
        "a: &x [*x]",
        "!!python/object/apply:os.system ['true']",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {}\n",
        "apiVersion: algotrading.io/v1alpha1\nkind: TradingStrategy\nmetadata: {name: x}\n",
        "apiVersion: algotrading.io/v1alpha1\nkind: TradingStrategy\nspec: {}\n",
        "quantity: " + "9" * 5000,
        "startDate: 2019-13-45",
        "? [a]\n: b\n",
        "[" * 3000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_a_malformed_strategy_file__is_refused_in_words(text: str, tmp_path: Path) -> None:
    file = tmp_path / "strategy.yaml"
    file.write_text(text, encoding="utf-8")

    done = run("--strategy", file, "--ticks", NINTH, "--json")

    assert (done.returncode, done.stdout) == (2, "")
    assert "strategy.yaml" in done.stderr


def test_two_strategies_in_a_file__are_refused(tmp_path: Path) -> None:
    file = strategy_file(tmp_path)
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}---\n{text}", encoding="utf-8")

    assert "found 2 documents" in run("--strategy", file, "--ticks", NINTH).stderr


def test_a_field_given_twice__is_refused(tmp_path: Path) -> None:
    file = strategy_file(tmp_path)
    file.write_text(file.read_text(encoding="utf-8") + "  stopLoss: 50.0\n", encoding="utf-8")

    done = run("--strategy", file, "--ticks", NINTH)

    assert done.returncode == 2
    assert "stopLoss" in done.stderr


def test_times_and_dates_without_quotes__are_text_as_with_kubectl(tmp_path: Path) -> None:
    file = strategy_file(tmp_path, {"startDate": "2019-07-09"})
    file.write_text(file.read_text(encoding="utf-8").replace("'", ""), encoding="utf-8")
    assert "sellTime: 15:05:00\n" in file.read_text(encoding="utf-8")

    done = run("--strategy", file, "--ticks", NINTH, "--json")

    assert done.returncode == 0, done.stderr
    assert days(done)[0]["strategy"]["sellTime"] == "15:05:00"


@pytest.mark.parametrize("which", ["--strategy", "--ticks"])
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_missing_file__is_said(which: str, *, is_folder: bool, tmp_path: Path) -> None:
    files = {"--strategy": strategy_file(tmp_path), "--ticks": NINTH}
    files[which] = tmp_path if is_folder else tmp_path / "nowhere"

    done = run(*(word for pair in files.items() for word in pair))

    assert done.returncode == 2
    assert "cannot be read" in done.stderr


def test_a_broken_line__is_named_by_its_number(tmp_path: Path) -> None:
    lines = NINTH.read_text(encoding="utf-8").splitlines()
    lines[700] = lines[700].replace(",YESBANK,", ",YESBANK,oops")
    path = tmp_path / "ticks.csv"
    path.write_text("\n".join(lines), encoding="utf-8")

    done = run_process("--strategy", strategy_file(tmp_path), "--ticks", path, "--json")

    assert (done.returncode, done.stdout) == (2, "")
    assert "ticks.csv, line 701: " in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the header must be"),
        (b"time,price\n", "the header must be"),
        (HEADER.encode() + b"\n", "no tick of NSE:YESBANK"),
        (gzip.compress(NINTH.read_bytes())[:9000], "cannot be read"),
        (b"\x1f\x8b", "cannot be read"),
        (b"\xff\xfe\x00", "not a text file"),
    ],
    ids=["empty", "wrong header", "header only", "truncated gz", "gz magic only", "binary"],
)
def test_a_file_that_is_no_tick_file__is_refused(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "ticks.bin"
    path.write_bytes(content)

    assert words in refused(tmp_path, {}, path)


@pytest.mark.parametrize("date", ["1990-01-01", "0001-01-01", "9999-12-31"])
def test_a_day_of_no_known_session__is_refused_in_words(date: str, tmp_path: Path) -> None:
    ticks = tick_file(tmp_path, [(f"{date}T09:20:00", 95.0)])

    done = run("--strategy", strategy_file(tmp_path), "--ticks", ticks, "--json")

    assert date in done.stderr + done.stdout or "outside all known time" in done.stderr
    assert done.returncode == (0 if done.stdout else 2)


@pytest.mark.parametrize("arguments", [(), ("--strategy", "x"), ("--nonsense",)])
def test_missing_arguments__show_the_usage(arguments: tuple[str, ...]) -> None:
    done = run_process(*arguments)

    assert done.returncode == 2
    assert "usage: algo-runner replay" in done.stderr
