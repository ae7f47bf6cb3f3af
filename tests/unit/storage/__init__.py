"""How what is remembered is packed."""
