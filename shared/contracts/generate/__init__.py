"""Makes the published files from the contracts: JSON Schemas, the AsyncAPI document and the reference page."""
