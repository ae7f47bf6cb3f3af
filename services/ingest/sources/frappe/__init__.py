"""Frappe, and ERPNext on it."""
