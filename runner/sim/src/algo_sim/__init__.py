"""Simulated brokers: their real wire protocols over one matching core."""
