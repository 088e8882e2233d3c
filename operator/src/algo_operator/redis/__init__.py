"""The operator's connections to both Redis roles, and the users it makes there."""
