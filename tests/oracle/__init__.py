"""Quintant's numbers once more, computed by other means: what the services answer is held against them."""
