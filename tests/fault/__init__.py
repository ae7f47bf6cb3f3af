"""Real processes killed, frozen and cut off from their servers: afterwards every number is right."""
