"""metrics: keeps the books of sales and tells every KPI from them.

Owns       schema `metrics`: ledgers of deals, trade and cash, their summaries; all can be rebuilt from the stream.
           Schema `metrics_permanent`: alert rules, episodes and deliveries, which were said or done once.
Consumes   `sales-events`: deals, orders, shipments, returns, invoices, credit notes, payments, and all reference data.
           `sales-progress`: how complete its numbers are.
Emits      `metrics-alerts`.
Serves     GET /v1/kpis and what hangs below it, targets, alerts; Prometheus gauges.
Fails how  PostgreSQL or Kafka gone: the worker waits and goes on where it was, the api answers 503. An unreadable event
           goes to the dead letters, too many of them stop its partition. Summaries are a cache: a number is as exact
           without them, only slower.
"""
