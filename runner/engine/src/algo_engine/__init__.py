"""The trading engine: pure decisions, the paper book, replay."""
