"""What the loop decides without a broker."""
