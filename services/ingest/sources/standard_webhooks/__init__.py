"""Standard Webhooks 1.0 with Quintant's own events inside."""
