"""Small mappings and files for the tests, and what importing them gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import msgspec

from services.ingest.imports import Draft, Importer, ImportRequest, Limits, Rejection, RowWarning, read_mapping

UTC_ZONE = ZoneInfo("UTC")
AS_OF = datetime(2026, 3, 31, 18, 0, tzinfo=UTC)

HEAD = "name: crm\nsource: /import/crm\n"
DEALS = (
    HEAD
    + """files:
  deals:
    name: deals.csv
    columns: [id, opened, amount, owner]
    key: id
    events:
      - entity: deal
        id: id
        occurred_at: opened | date
        fields:
          amount: amount | money:USD
          owner_id: owner
"""
)


@dataclass(frozen=True, slots=True)
class Outcomes:
    drafts: list[Draft]
    rejections: list[Rejection]
    warnings: list[RowWarning]

    @property
    def draft(self) -> Draft:
        assert not self.rejections, self.rejections
        (only,) = self.drafts
        return only

    @property
    def rejection(self) -> Rejection:
        (only,) = self.rejections
        return only

    def warning(self, rule: str) -> RowWarning:
        (only,) = [warning for warning in self.warnings if warning.rule == rule]
        return only


def read(
    mapping: str,
    files: Mapping[str, str | bytes],
    *,
    as_of: datetime = AS_OF,
    zone: ZoneInfo = UTC_ZONE,
    weeks: int = 0,
    limits: Limits | None = None,
) -> Outcomes:
    request = ImportRequest(
        mapping=read_mapping(mapping.encode()),
        files={name: BytesIO(text.encode() if isinstance(text, str) else text) for name, text in files.items()},
        as_of=as_of,
        zone=zone,
        shift=timedelta(weeks=weeks),
    )
    found = list(Importer(limits).events(request))
    return Outcomes(
        [one for one in found if isinstance(one, Draft)],
        [one for one in found if isinstance(one, Rejection)],
        [one for one in found if isinstance(one, RowWarning)],
    )


def deals(*rows: str) -> dict[str, str | bytes]:
    return {"deals.csv": "\r\n".join(["id,opened,amount,owner", *rows]) + "\r\n"}


def data_of(draft: Draft) -> object:
    """The data as plain JSON values."""
    return msgspec.to_builtins(draft.data)
