"""The rules of metrics: pure functions from what was said to what stands in the books, and from there to KPIs."""
