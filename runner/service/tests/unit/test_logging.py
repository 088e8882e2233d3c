"""One format, and no secret in it, whatever is handed to a logger."""

import json
import logging
import subprocess
import sys

import pytest
from algo_contract.brokers import CALLBACK_FIELDS, LOGIN_FIELDS, SECRET_FIELDS
from algo_service.logging import JsonFormatter, get_logger
from algo_service.redaction import HIDDEN, is_secret, redacted

SCRIPT = """
import logging
from algo_service.logging import get_logger, set_up_logging
set_up_logging("DEBUG")
log = get_logger("algo_login.x")
log.warning("login_refused", account="mine", pin="s3cret", secrets={"api_secret": "s3cret"},
            request=[{"access_token": "s3cret"}], sealedLogin="s3cret", totp_seed="s3cret")
log.debug("looked", count=2)
logging.getLogger("aiohttp").warning("hello")
logging.getLogger("aiohttp").info("not written")
"""
SECRETS = sorted(
    SECRET_FIELDS
    | {"sealedLogin", "sealedSession", "Authorization", "X-Api-Key", "checksum", "envelope"}
    | {"session", "Set-Cookie", "password", "redis_password", "privateKey", "credentials", "otp"}
)
PLAIN = ["strategy", "account", "opinion", "pinned", "retry_in_seconds", "trading_day", "user_id"]


def test_logs__one_json_object_a_line__with_level_logger_event_and_fields():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=30
    )

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "s3cret" not in done.stdout + done.stderr
    assert [line["event"] for line in lines] == ["login_refused", "looked", "hello"]
    assert [line["level"] for line in lines] == ["warning", "debug", "warning"]
    assert [line["logger"] for line in lines] == ["algo_login.x", "algo_login.x", "aiohttp"]
    assert (lines[0]["account"], lines[0]["pin"]) == ("mine", HIDDEN)
    assert lines[0]["time"].endswith("Z")


@pytest.mark.parametrize("name", SECRETS)
def test_redacted__a_name_of_a_secret__is_hidden_at_any_depth(name):
    fields = {name: "x", "deep": [{name: "x"}], "deeper": {"one": ({name: "x"},)}}

    assert redacted(fields) == {
        name: HIDDEN,
        "deep": [{name: HIDDEN}],
        "deeper": {"one": [{name: HIDDEN}]},
    }


@pytest.mark.parametrize("broker", sorted(LOGIN_FIELDS))
def test_redacted__every_secret_of_a_broker__is_hidden(broker):
    names = {*LOGIN_FIELDS[broker], CALLBACK_FIELDS.get(broker, "request_token")}
    named = names - {"user_id", "client_id"}

    assert named
    assert [name for name in named if not is_secret(name)] == []


@pytest.mark.parametrize("name", PLAIN)
def test_redacted__other_names__are_written(name):
    assert redacted({name: "x"}) == {name: "x"}


def test_logs__an_exception__has_its_traceback_without_the_values_of_variables(caplog):
    def fails() -> None:
        pin = "987654"
        raise ValueError(len(pin))

    with caplog.at_level(logging.ERROR):
        try:
            fails()
        except ValueError:
            get_logger("algo_x").exception("failed")
    line = json.loads(JsonFormatter().format(caplog.records[-1]))

    assert "ValueError" in line["exception"]
    assert "987654" not in line["exception"].replace('pin = "987654"', "")
