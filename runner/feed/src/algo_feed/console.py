"""Lines for the person who runs the command."""

import sys


def say(line: str) -> None:
    """A step, on standard output."""
    _ = sys.stdout.write(line + "\n")
    _ = sys.stdout.flush()


def warn(line: str) -> None:
    """Trouble, on standard error."""
    _ = sys.stderr.write(f"algo-feed: {line}\n")
    _ = sys.stderr.flush()
