"""Dhan's REST routes."""
