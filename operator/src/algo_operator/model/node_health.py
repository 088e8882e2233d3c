"""Which nodes are NotReady, and since when by our own clock."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from algo_kube.fields import rows, section
from algo_kube.resources import Json


@dataclass(slots=True)
class NodeHealth:
    """Nodes that are not ready now, or not there at all."""

    lost: dict[str, float] = field(default_factory=dict[str, float])
    _there: set[str] = field(default_factory=set[str])

    def note(self, body: Json, *, gone: bool) -> bool:
        """Take in a node's change; whether its health changed."""
        name, ready = body["metadata"]["name"], not gone and _is_ready(body)
        (self._there.discard if gone else self._there.add)(name)
        if ready:
            return self.lost.pop(name, None) is not None
        if name in self.lost:
            return False
        self.lost[name] = time.monotonic()
        return True

    def note_used(self, names: Iterable[str]) -> None:
        """Take in which nodes have runners: one that is not there is lost from now on, and one
        that is gone and has none need not be remembered.
        """
        used = set(names)
        for name in used - self._there:
            self.lost.setdefault(name, time.monotonic())
        for name in self.lost.keys() - self._there - used:
            del self.lost[name]

    def is_lost(self, name: str, *, after_seconds: float) -> bool:
        """Whether a node has been NotReady for that long."""
        since = self.lost.get(name)
        return since is not None and time.monotonic() - since >= after_seconds


def _is_ready(body: Json) -> bool:
    conditions = rows(section(body, "status"), "conditions")
    return any(row["type"] == "Ready" and row["status"] == "True" for row in conditions)
