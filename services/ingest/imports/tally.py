"""Counts warnings while rows go by. A row counts once for each text, and only if it was not refused."""

from dataclasses import dataclass, field

from services.ingest.imports.outcomes import DetailPlace, RowWarning

_EXAMPLES = 5


@dataclass(slots=True)
class _Count:
    rows: int = 0
    examples: list[int] = field(default_factory=list)


class Tally:
    """The warnings of one run over the files."""

    __slots__ = ("_counts", "_noted", "place")

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], _Count] = {}
        self._noted: dict[tuple[str, str, DetailPlace | None], None] = {}
        self.place: DetailPlace | None = None
        """The detail row that is being read; None: the present row itself."""

    def note(self, rule: str, text: str) -> None:
        """The row that is being read deserves a warning."""
        self._noted[rule, text, self.place] = None

    def keep(self, file: str, row: int) -> None:
        """The present row was taken: count what was noted."""
        if self._noted:
            for rule, text, place in self._noted:
                self.count(rule, *(place or (file, row)), text)
            self._noted.clear()

    def forget(self) -> None:
        """The present row was refused: what was noted does not matter."""
        self._noted.clear()

    def count(self, rule: str, file: str, row: int, text: str) -> None:
        """Count a row at once."""
        count = self._counts.setdefault((file, rule, text), _Count())
        count.rows += 1
        if len(count.examples) < _EXAMPLES:
            count.examples.append(row)

    def warnings(self) -> list[RowWarning]:
        """What was counted, in the order of the first rows."""
        return [
            RowWarning(rule=rule, file=file, text=text, count=count.rows, examples=tuple(count.examples))
            for (file, rule, text), count in self._counts.items()
        ]
