"""What a pod's JSON tells: whether it works, and if not why, in a sentence."""

from typing import Any, Final

from algo_contract import names

from algo_operator.clock import from_timestamp
from algo_operator.model.facts import PodFacts, Trouble
from algo_operator.specs.pod import CONTAINER, EPOCH_ANNOTATION

_IMAGE: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})
_CONFIG: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def read_pod(body: dict[str, Any], uid: str, *, node_lost: bool) -> PodFacts:
    """The facts of a pod."""
    meta: dict[str, Any] = body["metadata"]
    annotations: dict[str, str] = meta.get("annotations") or {}
    labels: dict[str, str] = meta.get("labels") or {}
    status: dict[str, Any] = body.get("status") or {}
    container = _container(status.get("containerStatuses"))
    specs: list[dict[str, Any]] = body.get("spec", {}).get("containers") or [{}]
    epoch = annotations.get(EPOCH_ANNOTATION, "0")
    waiting: dict[str, Any] = (container.get("state") or {}).get("waiting") or {}
    return PodFacts(
        name=meta["name"],
        uid=meta["uid"],
        created_us=from_timestamp(meta["creationTimestamp"]),
        ready=_condition(status, "Ready").get("status") == "True",
        leaving="deletionTimestamp" in meta,
        ended=status.get("phase") in {"Failed", "Succeeded"},
        backing_off=waiting.get("reason") == "CrashLoopBackOff",
        trouble=_trouble(meta["name"], status, container, specs[0].get("image", "")),
        image=specs[0].get("image", ""),
        epoch=int(epoch) if epoch.isdigit() else 0,
        mark=annotations.get(names.ASSIGNMENT_ANNOTATION, ""),
        node_lost=node_lost,
        ours=labels.get(names.STRATEGY_UID_LABEL) == uid,
    )


def _container(statuses: list[dict[str, Any]] | None) -> dict[str, Any]:
    return next((status for status in statuses or [] if status.get("name") == CONTAINER), {})


def _condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = status.get("conditions") or []
    return next((row for row in rows if row.get("type") == kind), {})


def _trouble(pod: str, status: dict[str, Any], container: dict[str, Any], image: str) -> Trouble | None:
    waiting: dict[str, Any] = (container.get("state") or {}).get("waiting") or {}
    reason, said = str(waiting.get("reason", "")), str(waiting.get("message", ""))[:300]
    if reason in _IMAGE:
        return Trouble(
            reason="ImageMissing",
            message=f"The runner image {image} cannot be had: {said or reason}. An administrator must provide it.",
        )
    if reason in _CONFIG:
        return Trouble(
            reason="PodConfigError",
            message=f"The runner pod {pod} cannot be started: {said or reason}. An administrator must look at it.",
        )
    if reason == "CrashLoopBackOff":
        return Trouble(
            reason="RunnerCrashing",
            message=f"The runner pod {pod} keeps crashing ({container.get('restartCount', 0)} restarts): "
            f"see kubectl logs {pod} --previous.",
        )
    placed = _condition(status, "PodScheduled")
    if placed.get("status") == "False":
        return Trouble(
            reason="Unschedulable",
            message=f"No node has room for the runner pod {pod}: {str(placed.get('message', ''))[:300]}",
        )
    return None
