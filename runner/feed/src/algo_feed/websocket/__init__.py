"""One WebSocket to the broker, kept open, and how its silence is noticed."""
