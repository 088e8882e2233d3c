"""What can go wrong, by who must act.

LoginError
├── Misconfigured     the administrator: settings, keys, permissions
├── KubeUnavailable   nobody: it is tried again
├── Conflict          nobody: the account changed meanwhile, it is looked at again
├── Gone              nobody: the account or its namespace is gone
└── Expired           nobody: the watch begins anew

What brokers answer is in algo_brokers.errors, what envelopes refuse in algo_contract.envelope.
"""


class LoginError(Exception):
    """The root of the log-in worker's own errors."""


class Misconfigured(LoginError):
    """An administrator must act."""


class KubeUnavailable(LoginError):
    """The API server cannot be reached, or refuses for now."""


class Conflict(LoginError):
    """The object changed between reading and writing."""


class Gone(LoginError):
    """There is no such object."""


class Expired(LoginError):
    """The version asked for is gone: list anew."""
