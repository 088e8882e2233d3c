"""The simulated exchange: instruments, orders, matching, positions. Pure."""
