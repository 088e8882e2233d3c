"""The broker port and its implementations."""
