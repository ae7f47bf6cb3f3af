"""HubSpot, by webhooks v3."""
