"""The rules of selling, and the law on a company in miniature."""
