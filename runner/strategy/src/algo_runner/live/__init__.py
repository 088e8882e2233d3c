"""Trading at a real broker: what a paper runner does not load."""
