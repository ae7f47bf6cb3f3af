"""Twenty, the open-source CRM."""
