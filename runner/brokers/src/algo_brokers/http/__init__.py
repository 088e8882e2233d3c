"""The HTTP client that orders leave on: it tells what was surely not sent (ADR 0009)."""
