"""What a process tells about itself: JSON logs, a closed list of metrics, W3C trace context. No secrets, no persons."""
