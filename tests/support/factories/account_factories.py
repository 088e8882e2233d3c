"""Accounts as the API server shows them, without one."""

import datetime as dt
import os
from dataclasses import replace
from typing import Any

from algo_contract.envelope.keys import read_private
from algo_contract.envelope.format import Binding, record_id_of
from algo_contract.envelope.seal import seal
from algo_contract.calendar import IST, microseconds
from algo_login.account import Account, read_account
from algo_login.login_record import LoginRecord

KEY = read_private("0001", os.urandom(32))


def sealed_for(purpose: Any = "login", record: bytes = b"{}", **binding: str) -> str:
    where = {"namespace_uid": "uid-1", "account": "mine", "broker": "dhan"} | binding
    return seal(record, KEY.public, Binding(purpose=purpose, **where))


LOGIN, SESSION = sealed_for(), sealed_for("session")


def ist(text: str) -> int:
    """Exchange time as microseconds: `2026-11-20 09:15`."""
    return microseconds(dt.datetime.fromisoformat(text).replace(tzinfo=IST))


def account(
    issued: int = 0, expires: int = 0, *, record: LoginRecord | None = None, **more: Any
) -> Account:
    """An account with a log-in; with `issued` and `expires` (µs) a session of it too."""
    spec = {"broker": "dhan", "sealedLogin": LOGIN}
    known = record or LoginRecord()
    if expires:
        spec["sealedSession"] = SESSION
        known = replace(
            known,
            login=record_id_of(LOGIN),
            session=record_id_of(SESSION),
            issued_us=issued,
            expires_us=expires,
        )
    meta = {"namespace": "tenant-a", "name": "mine", "uid": "u", "resourceVersion": "1"}
    made = read_account({"metadata": meta, "spec": spec})
    return replace(made, record=known, **more)
