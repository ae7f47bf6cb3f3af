"""Steps of the schema `ingest`."""

HEAD = "0005"
"""The revision that this build needs."""
