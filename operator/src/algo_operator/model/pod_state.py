"""What a pod's JSON tells: whether it works, and if not why, in a sentence."""

from typing import Any, Final

from algo_contract import names
from algo_kube.fields import annotations, labels, rows, section
from algo_kube.resources import Json
from algo_kube.times import from_timestamp

from algo_operator.model.naming import EPOCH_ANNOTATION, IMAGE_ANNOTATION, is_feed, is_runner
from algo_operator.model.observed import PodFailure, PodState
from algo_operator.model.untrusted import number

_IMAGE: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
)
_NOTHING: Final[Json] = {}
_CONFIG: Final = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)


def read_pod(body: Json, uid: str, *, node_lost: bool) -> PodState:
    """The facts of a strategy's runner pod."""
    ours = is_runner(body) and labels(body).get(names.STRATEGY_UID_LABEL) == uid
    return _read(body, names.RUNNER_COMPONENT, node_lost=node_lost, ours=ours)


def read_feed_pod(body: Json, account_id: str, *, node_lost: bool) -> PodState:
    """The facts of an account's feed pod."""
    ours = is_feed(body) and labels(body).get(names.ACCOUNT_ID_LABEL) == account_id
    return _read(body, names.FEED_COMPONENT, node_lost=node_lost, ours=ours)


def _read(body: Json, component: str, *, node_lost: bool, ours: bool) -> PodState:
    meta: dict[str, Any] = body["metadata"]
    notes = annotations(body)
    status = section(body, "status")
    container = _container(rows(status, "containerStatuses"), component)
    image = str((rows(section(body, "spec"), "containers") or [{}])[0].get("image", ""))
    epoch = notes.get(EPOCH_ANNOTATION, "0")
    return PodState(
        name=meta["name"],
        uid=meta["uid"],
        created_us=from_timestamp(meta["creationTimestamp"]),
        ready=_condition(status, "Ready").get("status") == "True",
        leaving="deletionTimestamp" in meta,
        ended=status.get("phase") in {"Failed", "Succeeded"},
        backing_off=_backs_off(container),
        failure=_failure(f"{component} pod {meta['name']}", status, container, image),
        image=notes.get(IMAGE_ANNOTATION, image),
        epoch=number(epoch) or 0,
        fingerprint=notes.get(names.ASSIGNMENT_ANNOTATION, ""),
        node_lost=node_lost,
        ours=ours,
    )


def _backs_off(container: Json) -> bool:
    """The kubelet waits before the next restart, or is about to say so: only a container's first
    restart in ten minutes is made at once.
    """
    state = section(container, "state")
    if section(state, "waiting").get("reason") == "CrashLoopBackOff":
        return True
    return "terminated" in state and int(container.get("restartCount", 0)) >= 1


def _container(statuses: list[Json], name: str) -> Json:
    return next((status for status in statuses if status.get("name") == name), _NOTHING)


def _condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions = rows(status, "conditions")
    return next((row for row in conditions if row.get("type") == kind), _NOTHING)


def _failure(
    pod: str, status: dict[str, Any], container: dict[str, Any], image: str
) -> PodFailure | None:
    waiting = section(section(container, "state"), "waiting")
    reason, said = str(waiting.get("reason", "")), str(waiting.get("message", ""))[:300]
    if reason in _IMAGE:
        return PodFailure(
            reason="ImageMissing",
            message=f"The runner image {image} cannot be had: {said or reason}. "
            "An administrator must provide it.",
        )
    if reason in _CONFIG:
        return PodFailure(
            reason="PodConfigError",
            message=f"The {pod} cannot be started: {said or reason}. "
            "An administrator must look at it.",
        )
    if reason == "CrashLoopBackOff":
        return PodFailure(
            reason="RunnerCrashing",
            message=f"The {pod} keeps crashing ({container.get('restartCount', 0)} restarts): "
            f"see kubectl logs {pod.rpartition(' ')[2]} --previous.",
        )
    placed = _condition(status, "PodScheduled")
    if placed.get("status") == "False":
        return PodFailure(
            reason="Unschedulable",
            message=f"No node has room for the {pod}: {str(placed.get('message', ''))[:300]}",
        )
    return None
