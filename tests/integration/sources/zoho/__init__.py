"""Zoho CRM's API against a fake."""
