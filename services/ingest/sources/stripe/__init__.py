"""Stripe: charges, refunds, disputes, invoices and credit notes of one account."""
