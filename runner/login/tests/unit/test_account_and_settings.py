"""Accounts, record and settings: odd input is read as nothing, or refused in words."""

from dataclasses import fields
from pathlib import Path

import pytest
from algo_kube.errors import Misconfigured
from algo_contract import names
from algo_login.account import UNREADABLE, read_account, address_problem
from algo_login.login_record import LoginRecord, record_text, read_record
from algo_login.settings import Settings, read_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from support.factories.account_factories import account

META = {"namespace": "a", "name": "b", "uid": "u", "resourceVersion": "7"}


def test_account__bare__is_read():
    mine = read_account({"metadata": META})

    assert (mine.broker, mine.clock, mine.login_id, mine.record) == ("", "Wall", "", LoginRecord())


def test_account__what_no_one_can_read__is_named_so():
    annotations = {
        names.LOGIN_NOTE_ANNOTATION: "[1]",
        names.LOGIN_REQUESTED_ANNOTATION: "yesterday",
    }
    mine = read_account(
        {"metadata": META | {"annotations": annotations}, "spec": {"sealedLogin": "x"}}
    )

    assert (mine.login_id, mine.record, mine.requested_us) == (UNREADABLE, LoginRecord(), 0)


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("http://sim.algo-sim.svc:8085", True),
        ("http://sim.algo-sim.svc:8086", False),
        ("http://open.example:1", True),
        ("https://open.example/kite", True),
        ("https://listed.example", True),
        ("https://LISTED.example.:443/v2", True),
        ("http://listed.example", False),
        ("http://sim.algo-sim.svc:8085@evil.example", False),
        ("http://open.example@evil.example", False),
        ("http://user:word@open.example", False),
        ("http://evil.example#open.example", False),
        ("http://open.example:99999", False),
        ("http://[::1", False),
    ],
)
def test_addresses__not_on_the_list__are_refused(url, is_allowed):
    allowed = frozenset({"sim.algo-sim.svc:8085", "open.example", "listed.example:443"})

    for field in ("base_url", "feed_url"):
        wrong = address_problem(account(**{field: url}), allowed)
        assert (wrong == "") == is_allowed
        assert "word" not in wrong
    assert address_problem(account(), frozenset()) == ""


@pytest.mark.parametrize(
    ("proxy", "is_allowed"),
    [
        ("http://proxy.example:3128", True),
        ("http://10.0.0.5:3128", True),
        ("http://10.0.0.6:3128", False),
        ("http://127.1:3128", False),
        ("http://redis-ticks.algo-system.svc.cluster.local.:6379", False),
        ("https://proxy.example:443", False),
        ("http://me:word@proxy.example:3128", False),
    ],
)
def test_egress_proxy__inside_or_none__is_refused(proxy, is_allowed):
    wrong = address_problem(account(egress_proxy=proxy), frozenset({"10.0.0.5:3128"}))

    assert (wrong == "") == is_allowed
    assert is_allowed or wrong.startswith("egressProxy ")
    assert "word@" not in wrong


@settings(deadline=None)
@given(
    st.builds(
        LoginRecord,
        login=st.text(max_size=16),
        issued_us=st.integers(0, 2**53 - 1),
        refusal=st.text(max_size=99),
    )
)
def test_notes__written__read_back(record):
    assert read_record(record_text(record)) == record


@settings(deadline=None)
@given(st.text(max_size=99))
def test_notes__anything__is_notes(text):
    assert isinstance(read_record(text), LoginRecord)


@pytest.mark.parametrize(
    "text",
    [
        '{"issued_us":"1"}',
        '{"issued_us":true}',
        '{"expires_us":-1}',
        '{"expires_us":99999999999999999999}',
        '{"login":1}',
        '{"more":""}',
        "[" * 99999,
    ],
)
def test_notes__of_the_wrong_shape__are_none(text):
    assert read_record(text) == LoginRecord()


def test_settings__defaults__in_a_pod():
    settings = read_settings({"ALGO_LOGIN_HTTP_PORT": "9"})

    assert (settings.http_port, settings.keys) == (9, Path("/etc/algo-keys/login"))


def test_settings__wrong__all_named_at_once():
    wrong = {
        "HTTP_PORT": "-1",
        "CONCURRENCY": "many",
        "RESYNC_SECONDS": "0",
        "LOG_LEVEL": "LOUD",
        "BROKER_URL_ALLOWLIST": "http://x/",
        "IP_ECHO_URL": "ftp://x",
        "NAMESPACE": "",
    }

    with pytest.raises(Misconfigured) as refused:
        read_settings({f"ALGO_LOGIN_{name}": value for name, value in wrong.items()})

    for name in wrong:
        assert f"ALGO_LOGIN_{name}: " in str(refused.value)


def test_settings__readme__lists_each_with_its_default():
    text = (Path(__file__).parents[2] / "README.md").read_text()

    for each in fields(Settings):
        assert f"`{each.name.upper()}`" in text
        if isinstance(each.default, int):
            assert f"| `{each.name.upper()}` | `{each.default}` |" in text
