"""Laws and cases of single sources."""
