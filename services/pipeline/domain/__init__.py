"""What a deal's life looks like, as known on any day: pure, without I/O, clock or framework."""
