"""From a number to its postings, their entities, and the events that said so.

A cursor pins the positions of its first page. The ledger only grows, so the pages together are the ledger as it stood
then: what they list sums to the number to the last digit, whatever is applied in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from services.metrics.domain.evidence import Stretch, ledgers_of, number_of, stretches
from services.metrics.domain.figures import total
from services.metrics.domain.inquiry import Inquiry, View
from services.metrics.domain.kpis.declaration import Balances, Distinct
from services.metrics.queries.contributions import Account, Pinned, Posting, Scope, contributions
from shared.kernel.journal import Assertion
from shared.kernel.ledger import Number
from shared.sales.company import Company
from shared.sales.references import Key
from shared.storage.database import Reader
from shared.storage.encoding import unpack_journal
from shared.storage.folds import load_entities


@dataclass(frozen=True, slots=True)
class Evidence:
    """One entity: what it adds, its postings, the events about it and the references that it was read with."""

    key: Key
    contributions: Mapping[str, Number]
    postings: Sequence[Posting]
    events: Sequence[Assertion]
    references: Sequence[Key]


@dataclass(frozen=True, slots=True)
class Lineage:
    """One page."""

    value: Number | None
    parts: Mapping[str, Number]
    """Over all pages."""
    evidence: Sequence[Evidence]
    references: Mapping[Key, Sequence[Assertion]]
    """The events about the references of this page's entities."""
    following: bool
    """Whether there are more pages."""


async def read_lineage(
    reader: Reader, inquiry: Inquiry, company: Company, *, pinned: Pinned, after: str, limit: int
) -> Lineage:
    """The entities after `after` (`<type>/<id>`) in the order of code points, `limit` at most."""
    found = stretches(inquiry)
    scope = Scope(inquiry, pinned, company.pipelines.stages, ())
    if isinstance(inquiry.formula, Balances):
        scope = replace(scope, accounts=await _accounts(reader, scope, found))
    selections = [contributions(scope, grouped) for grouped in ledgers_of(found).values()]
    parts: dict[str, Number] = {}
    names: list[str] = []
    for selection in selections:
        parts |= await selection.totals(reader)
        names += await selection.entities(reader, after, limit + 1)
    listed = sorted(names)[:limit]
    rows = [row for selection in selections for row in await selection.rows(reader, listed)]
    evidence = await _evidence(reader, inquiry.asked.known_at, listed, rows)
    references = await _references(reader, evidence, inquiry.asked.known_at)
    counted = dict(parts)
    if isinstance(inquiry.formula, Distinct):
        counted[inquiry.formula.of] = await selections[0].distinct(reader, inquiry.formula.of)
    return Lineage(number_of(inquiry, counted), parts, evidence, references, len(names) > limit)


async def _accounts(reader: Reader, scope: Scope, found: Iterable[Stretch]) -> list[Account]:
    """The accounts on the balance's side, which is decided in their own currency."""
    sums: dict[Account, Number] = {}
    for stretch in found:
        if stretch.of_accounts:
            selection = contributions(scope, [replace(stretch, of_accounts=False)], View.ORIGINAL)
            for account, amount in (await selection.accounts(reader)).items():
                sums[account] = total((sums.get(account, 0), amount))
    return [account for account, amount in sums.items() if amount > 0]


async def _evidence(
    reader: Reader, known_at: date | None, listed: Sequence[str], rows: Iterable[tuple[str, Posting]]
) -> list[Evidence]:
    by_entity: dict[str, list[Posting]] = {name: [] for name in listed}
    for name, posting in rows:
        by_entity[name].append(posting)
    entities = await load_entities(reader, [_key(name) for name in listed])
    evidence = []
    for name, own in by_entity.items():
        key = _key(name)
        entity = entities.get(key)
        journal = _known(entity.journal, known_at) if entity else []
        evidence.append(Evidence(key, _together(own), own, journal, sorted(entity.standing.asked) if entity else []))
    return evidence


async def _references(
    reader: Reader, evidence: Iterable[Evidence], known_at: date | None
) -> dict[Key, Sequence[Assertion]]:
    """What was said about the references; every partition has the same words about them."""
    keys = sorted({key for one in evidence for key in one.references})
    rows = await reader.rows(
        """SELECT DISTINCT ON (kind, id) kind, id, journal FROM reference
           JOIN unnest($1::text[], $2::text[]) AS asked (kind, id) USING (kind, id) ORDER BY kind, id, partition""",
        [key.kind for key in keys],
        [key.id for key in keys],
    )
    return {Key(row["kind"], row["id"]): _known(unpack_journal(row["journal"]), known_at) for row in rows}


def _known(journal: Iterable[Assertion], known_at: date | None) -> list[Assertion]:
    return [one for one in journal if known_at is None or one.known_on <= known_at]


def _together(own: Sequence[Posting]) -> dict[str, Number]:
    names = {name for posting in own for name in posting.contributions}
    return {name: total(posting.contributions.get(name, 0) for posting in own) for name in sorted(names)}


def _key(name: str) -> Key:
    kind, _, own_id = name.partition("/")
    return Key(kind, own_id)
