"""Any JSON webhook, read by a mapping that a person writes."""
