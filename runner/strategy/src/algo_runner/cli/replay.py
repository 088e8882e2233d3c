"""`algo-runner replay`: a strategy file on a tick file, in seconds, without a cluster."""

import argparse
import datetime as dt
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algo_contract import calendar
from algo_contract.calendar import microseconds
from algo_contract.messages.assignment import Assignment, Strategy
from algo_contract.money import rupee_text
from algo_contract.states import sentence
from algo_contract.v1alpha1 import TradingStrategy, TradingStrategySpec
from algo_contract.v1alpha1.conversion import engine_strategy, session_problem, trades_on
from algo_engine.replay import DayResult, replay_day, split_days
from algo_engine.replay_result import day_charges, day_object
from algo_engine.state import execution, is_flat, realized_pnl, reason_of
from algo_engine.tick_file import TickFileError, read_ticks

from algo_runner.cli.strategy_file import StrategyFileError, read_strategy

ANY_MIDNIGHT_US = microseconds(dt.datetime(2019, 1, 1, tzinfo=calendar.IST))
BAD_INPUT = 2


class ReplayError(ValueError):
    """Bad input; the message is for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    strategy: Path
    ticks: Path
    as_json: bool
    slippage_bps: int
    with_charges: bool


def main(arguments: list[str]) -> int:
    """Exit status 0 when every day ended flat, 1 when one did not, 2 on bad input."""
    options = _options(arguments)
    flat = True
    try:
        resource = read_strategy(options.strategy)
        for result in replay(resource, options):
            flat = flat and is_flat(result.state)
            _show(resource.spec, result, options)
    except (ReplayError, StrategyFileError, TickFileError) as error:
        sys.stderr.write(f"algo-runner replay: {error}\n")
        return BAD_INPUT
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return 0 if flat else 1


def replay(resource: TradingStrategy, options: Options) -> Iterator[DayResult]:
    """Each trading day in the file is a run of its own.

    Raises:
        ReplayError: no tick of the strategy's share, or its times do not fit a day's session.
        TickFileError: an unreadable file or a broken line.
    """
    spec = resource.spec
    strategy = engine_strategy(
        spec,
        uid=resource.metadata.uid or f"{resource.metadata.namespace}/{resource.metadata.name}",
        namespace=resource.metadata.namespace,
        name=resource.metadata.name,
    )
    ticks = read_ticks(options.ticks, instrument=(spec.exchange, spec.symbol))
    seen = False
    for midnight_us, day_ticks in split_days(ticks, midnight_us=ANY_MIDNIGHT_US):
        seen = True
        date = _date(midnight_us)
        if not calendar.is_trading_day(date) or not trades_on(spec, date):
            why = "the strategy does not trade" if calendar.is_trading_day(date) else "no trading"
            sys.stderr.write(f"{date.isoformat()} ({date:%A}): {why} on this day, passed over\n")
            for _ in day_ticks:
                pass
            continue
        yield replay_day(_assignment(spec, strategy, date, options), day_ticks)
    if not seen:
        raise ReplayError(
            f"{options.ticks} has no tick of {spec.exchange}:{spec.symbol}: is the symbol right?"
        )


def _date(midnight_us: int) -> dt.date:
    try:
        return calendar.ist_datetime(midnight_us).date()
    except OverflowError as error:
        raise ReplayError("there are ticks from outside all known time") from error


def _assignment(
    spec: TradingStrategySpec, strategy: Strategy, date: dt.date, options: Options
) -> Assignment:
    auction = calendar.has_closing_auction(spec.exchange, spec.symbol)
    try:
        session = calendar.session(date, broker="paper", has_closing_auction=auction)
    except ValueError as error:
        raise ReplayError(str(error)) from error
    if problem := session_problem(spec, session):
        raise ReplayError(problem)
    return Assignment(
        strategy=strategy,
        session=session,
        tick_bands=calendar.tick_bands(date),
        feed="shared",
        clock="Feed",
        account_id=None,
        broker="paper",
        epoch=1,
        slippage_bps=options.slippage_bps,
    )


def _show(spec: TradingStrategySpec, result: DayResult, options: Options) -> None:
    if options.as_json:
        owner_spec: dict[str, Any] = spec.model_dump(exclude_none=True)
        line = day_object(result, spec=owner_spec, with_charges=options.with_charges)
        sys.stdout.write(json.dumps(line) + "\n")
        return
    state = result.state
    sys.stdout.write(f"{state.trading_day} {spec.exchange}:{spec.symbol} x{spec.quantity}\n")
    for told in result.story:
        sys.stdout.write(f"  {told.message}\n")
    pnl = realized_pnl(state) - (day_charges(result) if options.with_charges else 0)
    reason = reason_of(state)
    sys.stdout.write(
        f"  {execution(state)}{f' ({reason})' if reason else ''}: "
        f"{sentence(reason) if reason else ''} P&L {rupee_text(pnl)} over {result.ticks} ticks "
        f"in {result.elapsed_seconds:.3f} s\n"
    )


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="algo-runner replay", description="Run a strategy on recorded ticks."
    )
    parser.add_argument("--strategy", type=Path, required=True, help="a TradingStrategy, YAML")
    parser.add_argument("--ticks", type=Path, required=True, help="a tick file, CSV or gzip")
    parser.add_argument("--json", action="store_true", help="one JSON object a day, a line each")
    parser.add_argument(
        "--slippage-bps", type=_basis_points, default=0, help="hundredths of a percent lost a fill"
    )
    parser.add_argument("--charges", action="store_true", help="take brokerage and taxes off")
    given = parser.parse_args(arguments)
    return Options(given.strategy, given.ticks, given.json, given.slippage_bps, given.charges)


def _basis_points(text: str) -> int:
    if not text.isdigit() or not int(text) < 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 9999")
    return int(text)
