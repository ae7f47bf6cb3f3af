"""Fxiaoke's API against a fake."""
