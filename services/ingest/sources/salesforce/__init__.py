"""Salesforce Sales Cloud."""
