"""Pipedrive, by webhooks v2."""
