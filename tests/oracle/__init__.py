"""Quintant's numbers once more, computed by other means: what the services answer is held against them.

    events = await accepted(connection)                    # all that the inbox holds, in the order of acceptance
    books = Books(events, known_at, zone="Asia/Shanghai")   # known_at: a business date; None is now
    found = await over_http(ask, books)                     # every KPI, as the metrics service answers it
    found = await in_ledgers(connection, books)             # the postings of metrics by fact, day and currency
    assert found.wrong == []                                # in words; found.checked: how many numbers were compared

`ask(path, parameters)` is a successful answer of the metrics service to a GET, as parsed JSON; `connection` an asyncpg
connection to the database as its owner. Nothing may be on its way while they are asked: wait until all is applied.
`Invented(seed, size).said` are `size` CloudEvents of a company that never was, in no order (tests.oracle.invented).
"""

from tests.oracle.compare import Found, accepted, in_ledgers, over_http
from tests.oracle.kpis import Books

__all__ = ["Books", "Found", "accepted", "in_ledgers", "over_http"]
