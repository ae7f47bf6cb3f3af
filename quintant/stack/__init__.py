"""PostgreSQL, Kafka and the eight service processes on one machine, without Docker and without root."""
