"""Kafka: the loop that applies the stream, relays, dead letters and topics. Nothing outside imports aiokafka."""
