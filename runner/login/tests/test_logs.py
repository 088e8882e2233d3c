"""Logs hold no secret, whatever is handed to them."""

import json
import subprocess
import sys

import pytest
from algo_login.logs import HIDDEN, hide_secrets

SCRIPT = """
import logging, structlog
from algo_login.logs import set_up_logs
set_up_logs("DEBUG")
log = structlog.get_logger("x")
log.warning("login_refused", account="mine", pin="s3cret", secrets={"api_secret": "s3cret"},
            request=[{"access_token": "s3cret"}], sealedLogin="s3cret", totp_seed="s3cret")
logging.getLogger("aiohttp").warning("hello")
"""


def test_logs__fields_named_like_secrets__are_hidden_at_any_depth():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=30
    )

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "s3cret" not in done.stdout + done.stderr
    assert lines[0]["event"] == "login_refused"
    assert (lines[0]["account"], lines[0]["pin"]) == ("mine", HIDDEN)
    assert lines[1]["event"] == "hello"


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "api_secret", "access_token", "pin", "totp_seed", "request_token"),
        *("sealedLogin", "sealedSession", "Authorization", "checksum", "envelope", "session"),
    ],
)
def test_hide_secrets__each_name_of_one__is_hidden(name):
    assert hide_secrets(None, "", {name: "x", "deep": [{name: "x"}]}) == {
        name: HIDDEN,
        "deep": [{name: HIDDEN}],
    }
