"""CloudEvents 1.0 over HTTP with Quintant's own events inside."""
