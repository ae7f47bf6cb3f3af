"""What the rows of one file say. A row is taken whole or not at all, so that no number rests on half a row."""

from collections.abc import Iterable, Iterator

import msgspec

from services.ingest.imports.binding import RefusedError, bind, truths
from services.ingest.imports.file_rows import FileRow
from services.ingest.imports.joins import Joined
from services.ingest.imports.outcomes import DetailPlace, Draft, Rejection
from services.ingest.imports.templates import BoundTemplate, Stamp
from services.ingest.imports.uses import entries_in
from services.ingest.imports.values import Cells

_encode = msgspec.json.Encoder().encode


class RowEvents:
    """The templates of one file, made ready to run over its rows."""

    def __init__(self, name: str, joined: Joined, stamp: Stamp) -> None:
        spec = joined.files.mapping.files[name]
        scope = joined.scope(joined.files.columns(name))
        self._tally, self._seen = joined.tally, joined.seen
        self._templates = [BoundTemplate(one, scope, stamp, joined.details) for one in spec.events]
        self._doubts = [(truths(doubt.when, scope), doubt.says) for doubt in spec.doubts]
        entries = [one for template in spec.events for one in entries_in(template.fields)]
        self._asks = [
            (bind(one.by, scope), joined.asked[one.details], joined.details[one.details])
            for one in entries
            if one.by and one.details
        ]

    def of(self, found: FileRow) -> Iterable[Draft | Rejection]:
        """The drafts of a row, or why it was refused."""
        file, (number, cells, _text) = found
        try:
            self._ask(cells)
            said = [(one, one.draft(cells, file, number)) for one in self._templates if one.when(cells)]
            drafts = self._not_said_before(said)
            self._note(cells, says_nothing=not said)
        except RefusedError as error:
            self._tally.forget()
            return [self._rejection(error, DetailPlace(file, number), cells)]
        self._tally.keep(file, number)
        return drafts

    def _ask(self, cells: Cells) -> None:
        """Remember which details were asked for, also if the row is refused: those are no orphans."""
        for by, asked, _table in self._asks:
            asked.add(str(by(cells)))

    def _rejection(self, error: RefusedError, present: DetailPlace, cells: Cells) -> Rejection:
        """The row, or the one of its details that is at fault; with all that was left out for it."""
        involved = [present, *self._details(cells)]
        place = error.place or present
        others = tuple(dict.fromkeys(one for one in involved if one != place))
        more = f"; row {present.row} of {present.file} was left out with it" if place != present else ""
        return Rejection(*place, error.column, error.reason + more, with_it=others)

    def _details(self, cells: Cells) -> Iterator[DetailPlace]:
        for by, _asked, table in self._asks:
            try:
                key = by(cells)
            except RefusedError:
                continue
            yield from (detail.place for detail in table.rows.get(str(key), ()))

    def _note(self, cells: Cells, *, says_nothing: bool) -> None:
        if says_nothing and self._templates:
            self._tally.note("says-nothing", "no event of the mapping applies to this row")
        for holds, says in self._doubts:
            if holds(cells):
                self._tally.note("declared", says)

    def _not_said_before(self, said: list[tuple[BoundTemplate, Draft]]) -> list[Draft]:
        """Of templates that are marked `distinct`, what no earlier row said. Raises RefusedError if an earlier row said
        otherwise; only once the whole row is known to be fine is anything remembered."""
        drafts = [draft for one, draft in said if not one.template.distinct]
        fresh = [draft for one, draft in said if one.template.distinct and self._is_fresh(draft)]
        for draft in fresh:
            self._seen.remember(_key(draft), _content(draft), draft.file, draft.row or 0)
        return drafts + fresh

    def _is_fresh(self, draft: Draft) -> bool:
        earlier = self._seen.earlier(_key(draft), _content(draft))
        if earlier is not None and not earlier.same:
            reason = f"says something else about {draft.entity} than row {earlier.row} of {earlier.file}"
            raise RefusedError(None, reason)
        return earlier is None


def _key(draft: Draft) -> str:
    return f"event {draft.id}"


def _content(draft: Draft) -> bytes:
    return _encode((draft.occurred_at, draft.data))


def orphans(joined: Joined) -> Iterator[Rejection]:
    """Rows of details that no row asked for."""
    for name, table in joined.details.items():
        for key, rows in table.rows.items():
            if key not in joined.asked[name]:
                for detail in rows:
                    yield Rejection(*detail.place, table.key_column, "no row of another file refers to it")
