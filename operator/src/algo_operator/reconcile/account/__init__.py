"""One broker account: its session, status and finalizer."""
