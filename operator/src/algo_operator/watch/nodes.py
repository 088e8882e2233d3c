"""Which nodes are NotReady, and since when by our own clock."""

import time
from dataclasses import dataclass, field

from algo_operator.kube.fields import rows, section
from algo_operator.kube.resources import Json


@dataclass(slots=True)
class NodeHealth:
    """Nodes that are not ready now."""

    lost: dict[str, float] = field(default_factory=dict[str, float])

    def note(self, body: Json, *, gone: bool) -> bool:
        """Take in a node's change; whether its health changed."""
        name, ready = body["metadata"]["name"], not gone and _is_ready(body)
        if ready:
            return self.lost.pop(name, None) is not None
        if name in self.lost:
            return False
        self.lost[name] = time.monotonic()
        return True

    def is_lost(self, name: str, *, after_seconds: float) -> bool:
        """Whether a node has been NotReady for that long."""
        since = self.lost.get(name)
        return since is not None and time.monotonic() - since >= after_seconds


def _is_ready(body: Json) -> bool:
    conditions = rows(section(body, "status"), "conditions")
    return any(row["type"] == "Ready" and row["status"] == "True" for row in conditions)
