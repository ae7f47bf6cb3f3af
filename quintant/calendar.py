"""The one place where these commands read the date."""

from datetime import UTC, date, datetime


def today() -> date:
    """The date in UTC."""
    return datetime.now(UTC).date()  # noqa: TID251 - the one place
