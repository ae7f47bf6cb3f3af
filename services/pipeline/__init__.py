"""The pipeline service: deals, their stages and their history.

Owns      the state of every deal over time, as known on any day (schema `pipeline`, role `quintant_pipeline`)
Consumes  `sales-events`: folds deals, and the reference data that they ask for (stage maps, prices, rates, members,
          organisation units, products, customer merges); `sales-progress` for its freshness
Emits     `pipeline-events`: `io.quintant.deal.stage-changed.v1`, through the outbox, at least once under stable ids;
          nothing for imported history and for reference data that change
Serves    /v1/deals, /v1/deals/{id}, /v1/funnel, /v1/pipelines, /v1/digest: for any past instant, as known on any day
Fails     without Kafka it serves what it has applied and says how far behind it is; without PostgreSQL it answers 503;
          a gap in the stream or too many unreadable records stop one partition and make the worker not ready
"""
