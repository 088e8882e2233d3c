"""What every process shares: one log format, one redaction list, one clock, one back-off, one small
HTTP server for probes and metrics, one reader of mounted Secrets. Loads nothing large.
"""
