"""Reads: SQL by kind of KPI, never by KPI. Every question is answered in one snapshot with the positions."""
