"""Dates as Qdrant reads them: which texts are dates, and which of those no calendar has."""

from __future__ import annotations

import re

from qql.errors import Span, fail
from qql.late import late_pattern

__all__ = ["DATE_HINT", "is_date", "looks_like_date", "reads_as_date"]

DATE_HINT = "dates are written '2024-05-01' or '2024-05-01T12:00:00Z'"

# A zone stands behind seconds only, as in Qdrant.
_ZONE = r"\s?(?:Z|z|UTC|[+-](?P<zone_hour>\d{2})(?::?(?P<zone_minute>\d{2}))?)"
_DATE = late_pattern(
    r"(?P<year>[+-]?\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[Tt ](?P<hour>\d{1,2}):(?P<minute>\d{1,2})"
    rf"(?P<seconds>:(?P<second>\d{{1,2}})(?:\.\d+)?)?(?P<zone>{_ZONE})?)?",
    re.ASCII,
)
_MOST = {"hour": 23, "minute": 59, "second": 60, "zone_hour": 23, "zone_minute": 59}
"""The greatest number of each part of a time; the second may be a leap second."""


def looks_like_date(text: str) -> bool:
    """Whether a text has the form of a date, be it in the calendar or not."""
    return _DATE.fullmatch(text) is not None


def reads_as_date(text: str) -> bool:
    """Whether a text is a date that there is, as a value of a payload may be."""
    found = _DATE.fullmatch(text)
    return found is not None and _fault(found) is None


def is_date(text: str, span: Span) -> bool:
    """Whether Qdrant reads the text as a date.

    Raises `QQLPlanError` (``impossible-date``) where it has the form of one that there is not.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    fault = _fault(found)
    if fault is not None:
        fail("impossible-date", f"'{text}' is no date: {fault}", span, DATE_HINT)
    return True


def _fault(found: re.Match[str]) -> str | None:
    """What is wrong with a text that has the form of a date."""
    year, month, day = (int(found[part]) for part in ("year", "month", "day"))
    if not 1 <= month <= 12:
        return f"there is no month {month}"
    import calendar

    days = calendar.monthrange(year, month)[1]
    if not 1 <= day <= days:
        return f"{calendar.month_name[month]} {year} has {days} days"
    for part, most in _MOST.items():
        if found[part] is not None and int(found[part]) > most:
            which = part.replace("zone_", "")
            where = " in a time zone" if which != part else ""
            return f"there is no {which} {int(found[part])}{where}"
    if found["zone"] and not found["seconds"]:
        return "a time with a time zone has seconds, as in 12:00:00Z"
    return None
