"""Reasons, keys and generated files: what others rely on, word for word."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from algo_contract import redis_keys
from algo_contract.states import OWNER_REASONS, SENTENCES, Execution, Reason, is_reason, sentence

ROOT = Path(__file__).resolve().parents[3]
REASONS = (
    "stop_loss target trailing_stop sell_time stopped exited killed day_loss closed_by_hand "
    "squared_off missed price_below_stop limit_not_reached feed_stale token_dead market_closed "
    "refused unresolved"
)


def test_the_reasons_are_the_fixed_ones() -> None:
    assert " ".join(get_args(Reason)) == REASONS
    assert set(OWNER_REASONS) <= set(get_args(Reason))


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_has_one_sentence_for_people(reason: Reason) -> None:
    words = SENTENCES[reason]

    assert sentence(reason) == words
    assert words.endswith(".")
    assert words[0].isupper()
    assert "_" not in words
    assert is_reason(reason)


def test_no_reason__no_sentence() -> None:
    assert sentence("") == ""
    assert not is_reason("because")


def test_the_executions_are_the_fixed_ones() -> None:
    words = "WAITING BUYING BOUGHT SELLING SOLD STOPPED FAILED"
    assert " ".join(get_args(Execution)) == words


def test_the_redis_keys_are_the_fixed_ones() -> None:
    assert redis_keys.ticks("shared", "NSE", "RELIANCE") == "ticks:{NSE:RELIANCE}"
    assert redis_keys.ticks("brk_1", "NSE", "M&M") == "ticks:brk_1:{NSE:M&M}"
    assert redis_keys.strategy("str_1", "state") == "strategy:{str_1}:state"
    assert redis_keys.account("brk_1", "halt") == "account:{brk_1}:halt"
    assert redis_keys.user_halt("usr_1") == "user:{usr_1}:halt"
    assert redis_keys.failed("str_1") == "failed:{str_1}"
    assert redis_keys.feed_clock("shared") == "feed:shared:clock"
    assert redis_keys.feed_instruments("brk_1") == "feed:brk_1:instruments"
    assert redis_keys.PLATFORM_HALT == "platform:halt"


def test_the_generated_files_are_fresh() -> None:
    command = [sys.executable, "-m", "algo_contract.schema", "--check", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_stale_file__is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "algo_contract.schema", "--check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "crds/manifests/tradingstrategies.yaml is stale" in done.stderr
    assert not any(tmp_path.iterdir())
