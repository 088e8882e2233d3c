import json
from decimal import Decimal

import pytest

from algo_brokers.dhan.responses import is_not_found, read_answer
from algo_brokers.errors import (
    AddressRefused,
    RateLimited,
    Rejected,
    TokenExpired,
    Unresolved,
)
from algo_brokers.http.client import Response


def answer(status, body, **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers, body=data)


def error(status, code, message="words"):
    fields = {"errorType": "Some_Error", "errorCode": code, "errorMessage": message}
    return answer(status, fields)


def raised(response, *, is_write=True):
    with pytest.raises((Rejected, Unresolved, RateLimited, TokenExpired)) as caught:
        read_answer(response, is_write=is_write)
    return caught.value


def test_read_answer__good_json__keeps_decimals_exact():
    assert read_answer(answer(200, b'{"price": 93.05}'), is_write=False) == {
        "price": Decimal("93.05")
    }


def test_read_answer__empty_202__is_none():
    assert read_answer(answer(202, b""), is_write=True) is None


CODES = {
    ("DH-901", 401): TokenExpired,
    ("DH-902", 403): Rejected,
    ("DH-903", 403): Rejected,
    ("DH-904", 429): RateLimited,
    ("DH-905", 400): Rejected,
    ("DH-906", 400): Rejected,
    ("DH-907", 400): Rejected,
    ("DH-908", 500): Unresolved,
    ("DH-908", 400): Unresolved,
    ("DH-909", 502): Unresolved,
    ("DH-910", 400): Unresolved,
    ("DH-911", 403): AddressRefused,
    ("DH-911", 400): AddressRefused,
    ("800", 400): Unresolved,
    ("804", 400): Rejected,
    ("805", 400): RateLimited,
    ("806", 403): Rejected,
    ("807", 401): TokenExpired,
    ("808", 401): TokenExpired,
    ("809", 401): TokenExpired,
    ("810", 400): Rejected,
    ("814", 400): Rejected,
}


@pytest.mark.parametrize(("code", "status"), CODES)
def test_read_answer__code_of_the_annexure__is_its_error(code, status):
    caught = raised(error(status, code))
    assert type(caught) is CODES[code, status]
    assert code in str(caught)
    assert "words" in str(caught)


def test_read_answer__error_document_with_status_200__is_its_error():
    assert type(raised(error(200, "DH-906"))) is Rejected


def test_read_answer__data_code_in_a_failed_envelope__is_its_error():
    body = {"status": "failed", "data": {"805": "Too many requests"}}
    assert type(raised(answer(200, body), is_write=False)) is RateLimited


def test_read_answer__log_in_that_failed_with_a_message__is_rejected_with_it():
    assert "Invalid Pin" in str(raised(answer(200, {"status": "error", "message": "Invalid Pin"})))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"errorCode": "DH-906"}'])
def test_read_answer__5xx__is_unresolved_whatever_it_says(status, body):
    assert type(raised(answer(status, body))) is Unresolved


@pytest.mark.parametrize("status", [200, 202, 400, 403, 404])
def test_read_answer__no_json__is_unresolved(status):
    assert type(raised(answer(status, b"<html>who are you</html>"))) is Unresolved


def test_read_answer__429_in_plain_text__is_rate_limited_for_as_long_as_told():
    plain = answer(429, b"slow down", **{"retry-after": "3"})
    assert raised(plain).retry_after == 3
    assert raised(error(429, "DH-904")).retry_after == 1


def test_read_answer__time_out_worded_as_a_refusal_of_a_write__is_unresolved():
    timed_out = error(400, "DH-906", "Order request timed out")
    assert type(raised(timed_out)) is Unresolved
    assert type(raised(timed_out, is_write=False)) is Rejected


def test_read_answer__long_message__is_cut():
    assert len(str(raised(error(400, "DH-905", "x" * 10_000)))) < 300
    assert "\n" not in str(raised(error(400, "DH-905", "a\nb")))


def test_read_answer__json_too_deep__is_unresolved():
    assert type(raised(answer(200, b"[" * 100_000))) is Unresolved


@pytest.mark.parametrize("body", [{}, [], {"message": "Forbidden"}, "no", None])
@pytest.mark.parametrize("status", [400, 403, 404])
def test_read_answer__refusal_of_a_write_that_is_not_in_dhans_words__is_unresolved(status, body):
    assert type(raised(answer(status, body))) is Unresolved
    assert type(raised(answer(status, body), is_write=False)) is Rejected


@pytest.mark.parametrize("status", [301, 302, 304, 307])
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"errorCode": "DH-906"}'])
def test_read_answer__3xx__is_unresolved_whatever_it_says(status, body):
    assert type(raised(answer(status, body))) is Unresolved
    assert type(raised(answer(status, body), is_write=False)) is Unresolved


def test_read_answer__error_without_a_code_and_status_200__is_never_a_good_answer():
    assert isinstance(raised(answer(200, {"errorCode": None, "errorMessage": "no"})), Rejected)


def test_is_not_found__only_refusals_that_may_mean_no_such_order():
    assert is_not_found(raised(error(404, "DH-905")))
    assert is_not_found(raised(error(400, "DH-906")))
    assert not is_not_found(raised(error(403, "DH-911")))
    assert not is_not_found(raised(error(500, "DH-908")))
    assert not is_not_found(raised(error(401, "DH-901")))
