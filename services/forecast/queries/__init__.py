"""Reads: series by month, standings of deals, vintages."""
