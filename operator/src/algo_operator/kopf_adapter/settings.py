"""Kopf's settings, each for a measured reason (docs: operator-anchors, section 4)."""

from collections.abc import Iterator

import kopf
from algo_service.backoff import backoff


class ForEver:
    """Delays without end. With Kopf's finite default a watch whose re-list fails for a minute
    ends the operator (before 1.45: ended the watch alone, silently).
    """

    def __init__(self, *, longest: float) -> None:
        """Delays double from a quarter second up to `longest`."""
        self._longest = longest

    def __iter__(self) -> Iterator[float]:
        """A fresh sequence for every request."""
        return backoff(first=0.25, longest=self._longest)


def kopf_settings() -> kopf.OperatorSettings:
    """Kopf only wakes the queue: no annotations, no finalizers, no posting, no peering."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.scanning.disabled = True
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 1.0
    settings.networking.request_timeout = 30.0
    settings.networking.connect_timeout = 5.0
    settings.networking.error_backoffs = ForEver(longest=10.0)
    settings.networking.enforce_retry_after = True
    settings.watching.server_timeout = 290
    settings.watching.client_timeout = 310.0
    settings.watching.connect_timeout = 5.0
    settings.watching.reconnect_backoff = 0.5
    settings.watching.chunk_size = 500
    # Kopf would SIGKILL the process that long after its stop flag; the kubelet sees to that.
    settings.process.ultimate_exiting_timeout = None
    return settings
