"""The process in a strategy's pod, and replay on recorded ticks."""
