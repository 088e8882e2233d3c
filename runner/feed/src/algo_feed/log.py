"""JSON log lines on stderr: a constant event name in the past tense, and fields."""

import json
import sys
import time


def log(event: str, **fields: object) -> None:
    """Writes one line. Never give it a Secret's content, nor a WebSocket's address."""
    line = {"time": round(time.time(), 3), "event": event} | fields
    _ = sys.stderr.write(json.dumps(line, default=str) + "\n")
    _ = sys.stderr.flush()
