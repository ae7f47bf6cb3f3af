"""Reads, by question. All of one answer comes from one snapshot, up to the positions that the snapshot shows."""
