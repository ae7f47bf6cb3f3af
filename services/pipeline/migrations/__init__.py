"""The schema of this service, step by step. `HEAD` is the newest step: what a running process needs."""

HEAD = "0003"
