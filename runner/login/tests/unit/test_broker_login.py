"""What brokers answer becomes: refused for good, or later; and never shows what they were sent."""

import asyncio

import pytest
from algo_brokers import errors
from algo_brokers.http.client import HttpClient
from algo_contract.messages.broker_session import BrokerSession
from algo_login import broker_login
from algo_login.broker_login import BrokerLogin, LoginRefused, LoginUnavailable, open_broker_login
from support.factories.account_factories import account

SESSION = BrokerSession(
    broker="dhan",
    client_id="1",
    api_key="",
    access_token="tok3n-tok3n",
    issued_us=1,
    expires_us=2,
)
SECRETS = {"pin": "123456", "totp_seed": "JBSWY3DPEHPK3PXP"}


class Answers:
    """A log-in that ends as it is told to."""

    def __init__(self, outcome: Exception | str) -> None:
        self.outcome = outcome

    async def _answer(self, *_args: object, **_named: object):
        if self.outcome == "hang":
            await asyncio.Event().wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    login = renew = observed_address = _answer


@pytest.fixture
async def http():
    made = HttpClient()
    yield made
    await made.close()


def door_to(http: HttpClient, outcome: Exception | str) -> BrokerLogin:
    return BrokerLogin(Answers(outcome), http, "dhan")  # type: ignore[arg-type]  # a stand-in for the calls made


@pytest.mark.parametrize(
    ("answer", "becomes", "seconds"),
    [
        (errors.Rejected("bad pin 123456 for\nJBSWY3DPEHPK3PXP"), LoginRefused, 0),
        (errors.TokenExpired("gone"), LoginRefused, 0),
        (errors.AddressRefused("not from 123456"), LoginUnavailable, 0),
        (errors.Unresolved("ReadTimeout"), LoginUnavailable, 0),
        (errors.DeniedLocally("the proxy refused"), LoginUnavailable, 0),
        (errors.RateLimited("slowly", retry_after=120), LoginUnavailable, 120),
    ],
)
async def test_log_in__each_answer__becomes_refused_or_later(http, answer, becomes, seconds):
    with pytest.raises(becomes) as told:
        await door_to(http, answer).log_in(SECRETS, {}, now_us=1)

    assert not set(SECRETS.values()) & set(str(told.value).split())
    assert "\n" not in str(told.value)
    assert getattr(told.value, "after_seconds", 0) == seconds
    assert told.value.__suppress_context__


@pytest.mark.parametrize("answer", [errors.Rejected("no renewal"), errors.TokenExpired("late")])
async def test_renew__too_late_or_never__needs_a_log_in(http, answer):
    assert await door_to(http, answer).renew(SESSION, now_us=1) is None


async def test_renew__no_answer__later_without_the_token(http):
    with pytest.raises(LoginUnavailable, match=r"lost with \*\*\*"):
        await door_to(http, errors.Unresolved("lost with tok3n-tok3n")).renew(SESSION, now_us=1)


async def test_every_question__that_does_not_end__is_given_up(http, monkeypatch):
    for name in ("CALL_SECONDS", "LOGIN_SECONDS"):
        monkeypatch.setattr(broker_login, name, 0.01)
    hanging = door_to(http, "hang")

    for question in (hanging.log_in(SECRETS, {}, now_us=1), hanging.renew(SESSION, now_us=1)):
        with pytest.raises(LoginUnavailable, match="no answer in time"):
            await question
    assert await hanging.observed_address(SESSION, echo_url="") is None


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("<script>", None),
        ("", None),
        (errors.Unresolved("x"), None),
    ],
)
async def test_observed_address__any_answer__is_an_address_or_not_known(http, told, address):
    assert await door_to(http, told).observed_address(SESSION, echo_url="") == address


async def test_door__proxy_that_is_no_address__later_and_its_word_is_not_shown():
    mine = account(egress_proxy="http://user:w0rd@proxy:1", base_url="http://127.0.0.1:1")

    with pytest.raises(LoginUnavailable) as told:
        async with open_broker_login(mine):
            pass

    assert "w0rd" not in str(told.value)
