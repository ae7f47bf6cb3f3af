"""Zoho CRM: notifications of changed records, whose content is read from the API; a keeper renews their channel."""
