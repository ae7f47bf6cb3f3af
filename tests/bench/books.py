"""Ledgers of any size, written straight into the tables in the shape that years of events give them.

Three years of deals, orders, invoices and payments of 200 members in 30 teams, 2,000 customers and 500 products. Events
are learned on their day, one in twenty later; one in fifty documents is corrected afterwards. Every row follows from
its entity's number alone, so equal sizes are equal books.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg

PARTITIONS = 4
FIRST, DAYS = date(2023, 7, 1), 1096
POSTINGS_OF_FOUR = 41
"""What one deal and one order with its invoice and its payment post, corrections included, times two."""
_KNOWN_AT = datetime(2026, 7, 1, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Size:
    """How many postings there are, and how many of them no summary holds yet."""

    postings: int
    tail: int = 20_000

    @property
    def lives(self) -> int:
        """How many deals, and as many orders."""
        return self.postings * 2 // POSTINGS_OF_FOUR


async def write_books(connection: asyncpg.Connection, size: Size) -> int:
    """Fill empty ledgers; positions stay before the tail until `apply_tail`. How many postings there are."""
    await connection.execute(f"SET search_path = metrics; SET work_mem = '256MB'; {_FUNCTIONS}")
    await connection.execute(_EVENTS.format(lives=size.lives, first=FIRST, days=DAYS, partitions=PARTITIONS))
    for statement in (_DEALS, _TRADE, _CASH):
        await connection.execute(statement)
    postings: int = await connection.fetchval(_COUNT)
    share = size.tail / postings
    await connection.execute(_POSITIONS, share, FIRST, _KNOWN_AT)
    await connection.execute("DROP TABLE event; DROP FUNCTION chance; ANALYZE")
    return postings


async def apply_tail(connection: asyncpg.Connection) -> None:
    """Let readers see the last postings, which no summary holds."""
    await connection.execute(
        """UPDATE metrics.position SET number = applied;
           INSERT INTO metrics.progress (generation, through, heads)
           SELECT 1, max(applied_at), jsonb_object_agg(partition, number) FROM metrics.position"""
    )


_FUNCTIONS = """
CREATE FUNCTION chance(id bigint, seed int) RETURNS double precision LANGUAGE sql IMMUTABLE AS
  $$ SELECT (hashint8extended(id, seed) & 1073741823)::float8 / 1073741824 $$"""

_EVENTS = """
CREATE UNLOGGED TABLE event AS
SELECT *, row_number() OVER (PARTITION BY partition ORDER BY known_on, id, kind, step) AS number FROM (
  SELECT kind, id, step, day, (id % {partitions})::int AS partition, born,
         day + CASE WHEN chance(id, 1 + step) < 0.05 THEN (chance(id, 11 + step) * 70)::int ELSE 0 END AS known_on,
         'm' || person AS member, 't' || person % 30 AS team, 'g' || person % 30 AS manager,
         'r' || person % 5 AS region,
         'c' || buyer AS customer, 's' || buyer % 12 AS sector, 'h' || buyer % 6 AS channel, 'b' || buyer % 4 AS line,
         (ARRAY['USD', 'USD', 'USD', 'EUR', 'CNY'])[1 + buyer % 5] AS currency, buyer % 100 = 7 AS related
  FROM (SELECT life.id, (chance(life.id, 101) * 200)::int % 200 AS person,
               (chance(life.id, 102) ^ 2 * 2000)::int % 2000 AS buyer,
               date '{first}' + (life.id * {days} / {lives})::int AS born,
               5 + (chance(life.id, 103) * 85)::int AS cycle
        FROM generate_series(0, {lives} - 1) AS life (id)) AS life
  CROSS JOIN LATERAL (VALUES
    ('deal', 1, born), ('deal', 2, born + cycle / 2), ('deal', 3, born + cycle),
    ('order', 1, born), ('invoice', 1, born + 9), ('payment', 1, born + 30),
    ('order', 2, CASE WHEN id % 50 = 0 THEN born + 40 END)) AS happened (kind, step, day)
  WHERE day < date '{first}' + {days}) AS events"""

_DEALS = """
INSERT INTO deal_postings (partition, number, entity, known_on, day, fact, pipeline, stage, member, team, manager,
  region, product, category, customer, sector, channel, business_line, currency, related, days,
  deals, value, constant, original, estimated, unvalued, unconverted, unconverted_constant)
SELECT partition, number, 'deal/' || id, known_on, posted.day, fact, 'default', stage, member, team, manager, region,
  'p' || good, 'k' || good % 20, customer, sector, channel, line, currency, related,
  CASE WHEN fact IN ('won', 'lost') THEN event.day - born END,
  sign, sign * amount, sign * amount, sign * amount, 0, 0, 0, 0
FROM event
CROSS JOIN LATERAL (SELECT (chance(id, 104) * 500)::int % 500 AS good, (chance(id, 105) * 900000)::int * 0.01 AS amount,
  CASE WHEN chance(id, 106) < 0.4 THEN 'won' ELSE 'lost' END AS closed) AS deal
CROSS JOIN LATERAL (VALUES
  (1, 'created', 'prospecting', born, 1), (1, 'open', 'prospecting', event.day, 1),
  (1, 'undecided', 'prospecting', born, 1),
  (2, 'open', 'prospecting', event.day, -1), (2, 'open', 'qualification', event.day, 1),
  (2, 'undecided', 'prospecting', born, -1), (2, 'advanced', 'prospecting', born, 1),
  (2, 'undecided', 'qualification', event.day, 1),
  (3, 'open', 'qualification', event.day, -1), (3, closed, closed, event.day, 1),
  (3, 'undecided', 'qualification', born + (event.day - born) / 2, -1),
  (3, CASE closed WHEN 'won' THEN 'advanced' ELSE 'dropped' END, 'qualification', born + (event.day - born) / 2, 1),
  (3, CASE WHEN closed = 'won' THEN 'created-won' END, 'prospecting', born, 1)) AS posted (at, fact, stage, day, sign)
WHERE kind = 'deal' AND at = step AND fact IS NOT NULL
ORDER BY known_on, number, partition"""

_TRADE = """
INSERT INTO trade_postings (partition, number, entity, known_on, day, fact, document, member, team, manager, region,
  product, category, customer, sector, channel, business_line, currency, unit, related,
  documents, quantity, value, constant, original, cost, unvalued, unconverted, unconverted_constant, uncosted)
SELECT partition, number, kind || '/' || id, known_on, CASE WHEN step = 2 THEN born ELSE event.day END, fact, kind,
  member, team, manager, region, 'p' || good, 'k' || good % 20, customer, sector, channel, line, currency,
  CASE WHEN good IS NOT NULL THEN 'piece' END, related, documents, sign * pieces, sign * amount, sign * amount,
  sign * amount, sign * amount * 0.6, 0, 0, 0, 0
FROM event
CROSS JOIN LATERAL (SELECT entry, sign, CASE WHEN entry > 0 THEN (chance(id, 200 + entry) * 500)::int % 500 END AS good
  FROM generate_series(0, 3) AS lines (entry)
  CROSS JOIN LATERAL (VALUES (-1), (1)) AS signs (sign)
  WHERE CASE WHEN step = 2 THEN entry = 1 ELSE sign = 1 END) AS line_of
CROSS JOIN LATERAL (SELECT (1 + chance(id, 210 + entry) * 20)::int AS pieces,
  ((1 + chance(id, 220 + entry) * 90000)::int + CASE WHEN step = 2 AND sign = 1 THEN 500 ELSE 0 END) * 0.01 AS amount,
  CASE WHEN entry > 0 THEN CASE kind WHEN 'order' THEN 'ordered' ELSE 'invoiced' END
       ELSE CASE kind WHEN 'order' THEN 'order' ELSE 'billable-invoiced' END END AS fact,
  (entry = 0)::int AS documents) AS worth
WHERE kind IN ('order', 'invoice')
ORDER BY known_on, number, partition"""

_CASH = """
INSERT INTO cash_postings (partition, number, entity, known_on, day, fact, instrument, member, team, manager, region,
  customer, sector, channel, business_line, currency, document, related,
  payments, value, constant, original, unconverted, unconverted_constant)
SELECT partition, number, 'payment/' || id, known_on, event.day, fact, 'transfer', member, team, manager, region,
  customer, sector, channel, line, currency, CASE WHEN fact = 'applied' THEN 'invoice/' || id END, related,
  1, amount, amount, amount, 0, 0
FROM event
CROSS JOIN LATERAL (SELECT (1 + chance(id, 230) * 200000)::int * 0.01 AS amount) AS worth
CROSS JOIN LATERAL (VALUES ('received'), ('applied')) AS posted (fact)
WHERE kind = 'payment'
ORDER BY known_on, number, partition"""

_COUNT = """SELECT (SELECT count(*) FROM deal_postings) + (SELECT count(*) FROM trade_postings)
                 + (SELECT count(*) FROM cash_postings)"""

_POSITIONS = """
INSERT INTO position (partition, generation, epoch, number, turn, applied, duplicates, dead_letters, first_known,
                      applied_at)
SELECT partition, 1, 1, (max(number) * (1 - $1::float8))::bigint, 0, max(number), 0, 0, $2::date, $3::timestamptz
FROM event GROUP BY partition"""
