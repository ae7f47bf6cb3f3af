"""Steps of the schema `ingest`."""

HEAD = "0007"
"""The revision that this build needs."""
