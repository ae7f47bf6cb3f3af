"""The one place where these commands read the clock."""

from datetime import UTC, date, datetime


def today() -> date:
    """The date in UTC."""
    return now().date()


def now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place
