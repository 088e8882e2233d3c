"""The operator's own lines in a strategy's story: Kubernetes Events on what changed. Pure.

What happened to orders is told by the runner, through its event stream.
"""

from typing import Any, Final

from algo_kube.fields import rows

from algo_operator.model.actions import EmitEvent
from algo_operator.model.observed import ObservedStrategy

_QUIET: Final = frozenset({"PodPending", "Deleting", "WaitingForFeed", "NotToday"})
_WARNINGS: Final = frozenset(
    {
        "Unprotected",
        "RunnerSilent",
        "FeedSilent",
        "SymbolUnknown",
        "SessionExpired",
        "SessionEndsEarly",
        "SessionEnded",
        "AddressDiffers",
    }
)


def notices(
    current: dict[str, Any], fields: dict[str, Any], observed: ObservedStrategy
) -> list[EmitEvent]:
    """Events for conditions that changed; nothing changed, nothing told."""
    old = {condition["type"]: condition for condition in rows(current, "conditions")}
    told: list[EmitEvent] = []
    for condition in rows(fields, "conditions"):
        before = old.get(condition["type"])
        if before is not None and before["reason"] == condition["reason"]:
            continue
        if condition["type"] == "Ready" and condition["reason"] not in _QUIET:
            bad = condition["status"] == "False" and condition["reason"] not in {
                "Stopped",
                "Flattening",
                "Finished",
            }
            told.append(
                EmitEvent("Warning" if bad else "Normal", condition["reason"], condition["message"])
            )
        elif condition["reason"] in _WARNINGS:
            told.append(EmitEvent("Warning", condition["reason"], condition["message"]))
    if (
        fields["reason"] == "missed"
        and current.get("reason") != "missed"
        and not observed.started_today
    ):
        told.append(
            EmitEvent(
                "Warning",
                "EntryMissed",
                "No runner was there between the buy time and its grace's end.",
            )
        )
    return told
