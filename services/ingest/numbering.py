"""Which generations of the stream are open: every commit draws numbers in each of them."""

from collections.abc import Sequence

from services.ingest.domain.partitions import Generation
from shared.storage.database import Reader, Writer


class Numbering:
    """The open generations as this process last saw them. The inbox commit refuses what is drawn in others, so an old
    view costs a second try and nothing else."""

    def __init__(self, generations: Sequence[Generation]) -> None:
        self.generations = tuple(generations)

    async def look(self, reader: Reader) -> tuple[Generation, ...]:
        """Look again."""
        self.generations = await open_generations(reader)
        return self.generations


async def open_generations(reader: Reader) -> tuple[Generation, ...]:
    """The oldest first."""
    rows = await reader.rows(
        "SELECT number, first, partitions FROM generation WHERE opened_at IS NOT NULL ORDER BY number"
    )
    return tuple(Generation(*row) for row in rows)


async def begin_first(writer: Writer, partitions: int) -> None:
    """Open the first generation of a new inbox."""
    await writer.execute(
        """INSERT INTO generation (number, first, partitions, filled, opened_at)
           SELECT 1, 0, $1, 0, clock_timestamp() WHERE NOT EXISTS (SELECT FROM generation)""",
        partitions,
    )
