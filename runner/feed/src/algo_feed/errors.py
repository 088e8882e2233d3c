"""What ends the feed's command line, each with its exit status.

FeedError
├── BadInput      2  arguments, environment or the tick file: the caller must change something
├── NotReady      3  too few runners in time
├── RedisFailed   4  Redis is not there at the start, or refuses what the feed must do, or its
│                    log-in has changed: start again
└── NotAlone      5  another process publishes the same feed
"""

from typing import ClassVar


class FeedError(Exception):
    """A sentence for the person who ran the command."""

    exit_status: ClassVar[int] = 1


class BadInput(FeedError):
    """The arguments, the environment or the tick file cannot be used."""

    exit_status = 2


class NotReady(FeedError):
    """Too few runners became ready in time."""

    exit_status = 3


class RedisFailed(FeedError):
    """Redis cannot be reached at the start, or refuses a command or the log-in."""

    exit_status = 4


class AlreadyPublishing(FeedError):
    """Another process publishes the same feed."""

    exit_status = 5
