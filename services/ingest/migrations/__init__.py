"""Steps of the schema `ingest`."""

HEAD = "0003"
"""The revision that this build needs."""
