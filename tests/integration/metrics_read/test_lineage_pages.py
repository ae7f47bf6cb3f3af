"""Pages of lineage belong together, whatever is applied while somebody turns them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.metrics.domain.ledgers import LEDGERS
from services.metrics.handlers import fold
from shared.kernel.journal import Journal, merge
from shared.kernel.ledger import difference
from shared.sales.references import Key, References
from shared.storage.encoding import unpack_posted
from shared.storage.folds import Addition, append_postings, load_entities, save_entities
from tests.integration.metrics_read.app import HandClock, application, calling, questions_on
from tests.integration.metrics_read.books import COMPANY, fold_all, open_books, said, set_position

DAY, LATER = date(2026, 11, 20), date(2026, 11, 21)
AT = datetime(2026, 11, 22, tzinfo=UTC)


def won(amount: str) -> dict[str, Any]:
    return {"stage": "won", "created_on": "2026-11-01", "amount": {"amount": amount, "currency": "USD"}}


async def test_a_cursor_stays_with_what_its_first_page_saw(database_url: str, tmp_path: Path) -> None:
    journals: dict[Key, Journal] = {Key("deal", f"d{n}"): (said("1", DAY, won(f"{n}.10")),) for n in range(1, 8)}
    async with open_books(database_url) as database:
        await fold_all(database, journals, {}, at=AT, partitions=1)
        async with calling(application(questions_on(database, HandClock()), tmp_path)) as caller:
            path = "/v1/kpis/deals-won-value/lineage"
            first = await caller.get(path, limit=3)
            assert first["value"] == {"amount": "28.70", "currency": "USD"}

            key = Key("deal", "d6")
            async with database.write() as writer:
                before = (await load_entities(writer, [key]))[key]
                new = said("2", LATER, won("1000"))
                folded = fold(COMPANY, key, merge(before.journal, [new]), References({}))
                change = difference(folded.owed, unpack_posted(before.posted))
                await append_postings(writer, 0, 8, [(key, change)], LEDGERS)
                await save_entities(writer, 0, 8, [Addition(key, [new], change, folded.asked)])
                await set_position(writer, 8, at=AT, first_known=DAY)

            pages = [first]
            while pages[-1]["next"]:
                pages.append(await caller.get(path, limit=3, cursor=pages[-1]["next"]))
            listed = [item for page in pages for item in page["items"]]
            assert [item["entity"]["id"] for item in listed] == [f"d{n}" for n in range(1, 8)]
            total = sum(Decimal(item["contributions"]["value"]["amount"]) for item in listed)
            assert {page["value"]["amount"] for page in pages} == {"28.70"}
            assert total == Decimal("28.70")

            fresh = await caller.get(path)
            assert fresh["value"]["amount"] == "1022.60"
            d6 = next(item for item in fresh["items"] if item["entity"]["id"] == "d6")
            assert d6["contributions"]["value"]["amount"] == "1000.00"
            assert [event["id"] for event in d6["events"]] == ["1", "2"]
