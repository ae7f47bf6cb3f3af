"""Odoo, by server actions that send a webhook."""
