"""Shopify: orders, refunds, transactions, customers and products of one shop."""
