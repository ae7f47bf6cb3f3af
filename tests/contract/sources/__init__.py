"""What every source's folder must hold and keep to."""
