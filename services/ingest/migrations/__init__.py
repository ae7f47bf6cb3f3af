"""Steps of the schema `ingest`."""

HEAD = "0006"
"""The revision that this build needs."""
