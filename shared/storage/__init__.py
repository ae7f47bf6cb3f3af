"""PostgreSQL: connections and transactions, positions, entities, references, ledgers, outbox, progress, migrations."""
