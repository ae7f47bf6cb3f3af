"""The loop, the lane that folds, and the relay on a real PostgreSQL and a real Kafka, with a company in miniature."""
