"""Books in which deals say `reached` become, by migration, the books that the same events make today."""

from services.metrics.audit import audit, digest
from services.metrics.domain.ledgers import DEALS
from services.metrics.settings import Settings
from services.metrics.summaries import summarise
from services.metrics.wiring import run_migrate
from shared.kernel.clock import SystemClock
from shared.kernel.ledger import Cells, post
from shared.runtime.shutdown import Shutdown
from shared.storage.database import Database, Writer
from shared.storage.encoding import pack_posted, unpack_posted
from tests.integration.metrics_write.books import apply_all, story, stream

OUTCOMES = ("advanced", "dropped", "undecided")


async def test_what_became_of_deals_is_told_of_those_from_before(migrated: Settings, database: Database) -> None:
    await apply_all(database, stream(story(11), partitions=2))
    async with database.read() as reader:
        expected = await digest().tell(reader)
    async with database.write() as writer:
        await as_before(writer)
    async with database.read() as reader:
        assert await digest().tell(reader) != expected
    await summarise(database)
    await run_migrate(migrated, Shutdown(SystemClock()))
    async with database.read() as reader:
        assert await digest().tell(reader) == expected
        assert await reader.value("SELECT count(*) FROM seal") == 0
    await summarise(database)
    assert (await audit(database)).sound


async def as_before(writer: Writer) -> None:
    """Write what revision 0006 held: each stage that a deal reached as such, and nothing of those lost in it."""
    columns = [*DEALS.dimension_types, *DEALS.measure_types]
    copied = ", ".join(("partition", "number", "entity", "known_on", "day", *columns))
    await writer.execute("UPDATE deal_postings SET fact = 'reached' WHERE fact = 'dropped'")
    assert await writer.execute(
        f"""INSERT INTO deal_postings ({copied}, fact) SELECT {copied}, 'reached' FROM deal_postings
            WHERE fact IN ('advanced', 'undecided')"""  # noqa: S608 - declared names
    )
    for row in await writer.rows("SELECT id, posted FROM entity WHERE kind = 'deal'"):
        before: Cells = {}
        for cell, measures in unpack_posted(row["posted"]).items():
            if cell.fact in OUTCOMES:
                post(before, cell._replace(fact="reached"), measures)
            if cell.fact != "dropped":
                post(before, cell, measures)
        await writer.execute(
            "UPDATE entity SET posted = $2 WHERE kind = 'deal' AND id = $1", row["id"], [pack_posted(before, None)]
        )
    await writer.execute("UPDATE alembic_version SET version_num = '0006'")
