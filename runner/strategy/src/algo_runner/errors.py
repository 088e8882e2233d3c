"""Why a runner stops.

RunnerError
├── Misconfigured   its Secret is missing or unreadable: the operator or an engineer must act
├── Fenced          a newer runner of the same strategy has taken over: this one must go
└── StateFull       redis-state takes no new entry: the session gives the entry up and goes on
"""


class RunnerError(Exception):
    """The message is a sentence for an engineer."""


class Misconfigured(RunnerError):
    """The process was started with something missing or unreadable."""


class Fenced(RunnerError):
    """Another process holds the strategy's fence with a higher token."""


class StateFull(RunnerError):
    """redis-state has no room for an entry."""
