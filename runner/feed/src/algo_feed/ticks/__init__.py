"""From decoded prices to Redis streams."""
