"""`quintant source`: connecting sources, looking at them, rotating their secrets, and trying them out."""
