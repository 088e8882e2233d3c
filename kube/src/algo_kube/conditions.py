"""A condition's verdict, and how verdicts become a resource's list of conditions. Pure."""

from typing import Any, NamedTuple

from algo_kube.times import timestamp


class Condition(NamedTuple):
    """One condition's status, reason and sentence."""

    status: str
    reason: str
    message: str


def merge_conditions(
    current: list[dict[str, Any]] | None,
    conditions: dict[str, Condition],
    generation: int,
    now_us: int,
) -> list[dict[str, Any]]:
    """The conditions with their transition times, and those of other writers as they are."""
    known = {condition["type"]: condition for condition in current or []}
    rows: list[dict[str, Any]] = []
    for kind, condition in conditions.items():
        old = known.get(kind)
        flipped = old is None or old["status"] != condition.status
        rows.append(
            {
                "type": kind,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message[:1024],
                "lastTransitionTime": timestamp(now_us)
                if flipped or old is None
                else old["lastTransitionTime"],
                "observedGeneration": generation,
            }
        )
    return rows + [row for kind, row in known.items() if kind not in conditions]
