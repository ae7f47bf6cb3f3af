"""Properties of the vocabulary of the law."""
