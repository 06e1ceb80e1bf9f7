"""From the time on a clock somewhere to unix time, across the days on which clocks are changed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NAME = re.compile(r"UTC|[A-Za-z_]+(/[A-Za-z0-9_+-]+)+")
"""Names without a region, such as EST or localtime, mean other things on other machines."""
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)


def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name.

    Raises:
        ValueError: there is none; the message says what a name must be.
    """
    must_be = "must be an IANA time zone such as America/New_York or UTC"
    if not _NAME.fullmatch(name):
        raise ValueError(must_be)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{must_be}; this machine's time zone data know none of that name") from None


def to_unix(moment: datetime, home: ZoneInfo, fold: int | None = None) -> int:
    """Unix time of ``moment``.

    Args:
        moment: to the second; local time in ``home`` when it carries no offset.
        home: where the clock hangs.
        fold: which one is meant of a local time that occurs twice, 0 or 1; None when none is expected to.

    Raises:
        ValueError: a time that does not occur, one that occurs twice with no fold named, a part of a second, or a year outside
            2000 to 2100.
    """
    if moment.microsecond:
        raise ValueError("must be a whole second")
    if moment.tzinfo is None:
        moment = _placed(moment, home, fold)
    if not _FIRST <= moment < _LAST:
        raise ValueError("must lie in the years 2000 to 2100")
    return int(moment.timestamp())


def _placed(local: datetime, home: ZoneInfo, fold: int | None) -> datetime:
    first, second = (local.replace(tzinfo=home, fold=which) for which in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    # Where clocks go forward, the way to UTC and back does not return to the time that was skipped.
    if first.astimezone(UTC).astimezone(home).replace(tzinfo=None) != local:
        raise ValueError(f"does not occur in {home.key}: clocks go forward over it")
    if fold is None:
        raise ValueError(f"occurs twice in {home.key}, where clocks go back: name fold = 0 for the first or 1 for the second")
    return second if fold else first
