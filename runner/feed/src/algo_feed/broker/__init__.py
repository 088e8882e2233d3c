"""Calls to the account's broker: the session in force, retries, the instrument master."""
