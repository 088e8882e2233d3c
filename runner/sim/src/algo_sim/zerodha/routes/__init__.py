"""Kite's REST routes."""
