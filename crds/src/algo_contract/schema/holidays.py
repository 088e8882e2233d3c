"""Writes `generated/holidays.json`: the weekday holidays of past years, from exchange_calendars.

A build-time tool: it loads pandas, which nothing that runs may do. XBOM's table serves both
exchanges: NSE and BSE keep the same cash-market holidays. It misses weekend sessions, which
`data/sessions.toml` lists.
"""

import datetime as dt
import json
from typing import Any

import exchange_calendars

FIRST = dt.date(2005, 1, 1)
LAST = dt.date(2025, 12, 31)


def holidays_json() -> str:
    """The file's text: the first and last date it covers, and the weekday holidays between."""
    calendar: Any = exchange_calendars.get_calendar(
        "XBOM", start=FIRST.isoformat(), end=LAST.isoformat()
    )
    sessions = {session.date() for session in calendar.sessions}
    days = [FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    holidays = [d.isoformat() for d in days if d.weekday() < 5 and d not in sessions]
    table = {"first": FIRST.isoformat(), "last": LAST.isoformat(), "holidays": holidays}
    return json.dumps(table, indent=1) + "\n"
