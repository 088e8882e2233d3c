"""The log-in worker: opens sealed log-ins, writes sealed sessions."""
