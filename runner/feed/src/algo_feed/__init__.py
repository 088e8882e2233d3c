"""Market data into Redis."""
