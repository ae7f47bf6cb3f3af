"""The canonical events, one module a family. An event says only what it says: absent is unsaid, null is cleared."""
