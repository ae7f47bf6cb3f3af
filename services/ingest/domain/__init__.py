"""Pure rules of intake: what is accepted, what is the same, and which partition it belongs to."""
