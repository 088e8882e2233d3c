"""The command line and the environment; credentials never show."""

from pathlib import Path

import pytest
from algo_feed.errors import BadInput
from algo_feed.replay.settings import (
    PASSWORD_FILE_VARIABLE,
    URL_VARIABLE,
    USERNAME_VARIABLE,
    publish_settings,
    redis_server,
)

URL = "redis://redis-ticks:6380"
MINIMUM = ["--ticks", "day.csv"]


def test_settings__only_a_file__defaults() -> None:
    settings = publish_settings(MINIMUM, {URL_VARIABLE: URL})

    assert (settings.speed, settings.wait_ready, settings.wait_timeout) == (1.0, 0, 120.0)
    assert (settings.account, settings.account_uid) == (None, None)
    assert (settings.redis.host, settings.redis.port, settings.redis.password) == (
        "redis-ticks",
        6380,
        "",
    )


def test_settings__everything_given(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    environment = {USERNAME_VARIABLE: "feed", PASSWORD_FILE_VARIABLE: str(tmp_path / "password")}
    words = "--speed max --account ns/a --account-uid u --wait-ready 3 --wait-timeout 9 --redis redis://h"

    settings = publish_settings([*MINIMUM, *words.split()], environment)

    assert settings.speed == float("inf")
    assert (settings.account, settings.account_uid, settings.wait_ready) == ("ns/a", "u", 3)
    assert (settings.redis.host, settings.redis.port) == ("h", 6379)
    assert (settings.redis.username, settings.redis.password) == ("feed", "s3cret")
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--ticks day.csv --speed 0",
        "--ticks day.csv --speed -1",
        "--ticks day.csv --speed nan",
        "--ticks day.csv --speed fast",
        "--ticks day.csv --wait-ready -1",
        "--ticks day.csv --wait-ready 1.5",
        "--ticks day.csv --wait-timeout x",
        "--ticks day.csv --account noslash",
        "--ticks day.csv --acc ns/a",
    ],
)
def test_settings__wrong_arguments__usage(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        publish_settings(words.split(), {URL_VARIABLE: URL})

    assert stopped.value.code == 2
    assert "usage: algo-feed publish" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis-ticks:6379",
        "http://h:1",
        "redis://",
        "redis://h:x",
        "redis://h:99999",
        "redis://h/1",
    ],
)
def test_redis_server__not_an_address__refused(url: str) -> None:
    with pytest.raises(BadInput, match="redis://"):
        redis_server(url, {})


def test_redis_server__credentials_in_the_address__refused_unseen() -> None:
    with pytest.raises(BadInput, match=PASSWORD_FILE_VARIABLE) as refused:
        redis_server("redis://user:hunter2@h:6379", {})

    assert "hunter2" not in str(refused.value)


def test_redis_server__bad_password_file__refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")

    with pytest.raises(BadInput, match="is empty"):
        redis_server(URL, {PASSWORD_FILE_VARIABLE: str(tmp_path / "empty")})
    with pytest.raises(BadInput, match="No such file"):
        redis_server(URL, {PASSWORD_FILE_VARIABLE: str(tmp_path / "missing")})
    with pytest.raises(BadInput, match="is needed"):
        redis_server(URL, {USERNAME_VARIABLE: "feed"})
