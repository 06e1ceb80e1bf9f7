"""Times as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

from keeper.core.model.errors import ConfigError


def moment(text: str, option: str) -> int:
    """Unix seconds of a date or a time as people write it; UTC unless it names a zone.

    Raises:
        ConfigError: it is no such thing, or before 1970.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"{option}: {text} is no time; write 2025-10-01 or 2025-10-01T12:00:00Z"]) from None
    found = int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    if found < 0:
        raise ConfigError([f"{option}: {text} is before there were chains"])
    return found
