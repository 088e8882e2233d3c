"""What a runner's and a feed's pod have in common: under one name a Secret, a Redis user and a pod,
made, changed and taken away in one way. What is in them is the specs'.
"""

from collections.abc import Callable
from dataclasses import dataclass

from algo_contract import names
from algo_kube.cache import ObjectName
from algo_kube.errors import Conflict
from algo_kube.events import Subject, emit_event
from algo_kube.fields import section
from algo_kube.resources import PODS, SECRETS, Json
from algo_kube.work_queue import Key

from algo_operator.context import Context
from algo_operator.model.actions import DeletePod
from algo_operator.model.observed import PodState


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedPod:
    """One pod of ours."""

    context: Context
    key: Key
    """The queue's key of the object that it is for."""

    place: ObjectName
    """Of the pod and of its Secret."""

    user: str
    """Its Redis user."""

    is_ours: Callable[[Json], bool]
    """Whether a pod of that name is one that our watch follows."""

    subject: Subject
    """What its Events are about."""


async def find_pod(
    context: Context, key: Key, place: ObjectName, is_ours: Callable[[Json], bool]
) -> tuple[Json | None, bool]:
    """The pod of that name, and whether its node is lost. A stranger's is asked for where
    one had the name when last looked: no watch of ours follows it.
    """
    body = context.pods.get(place)
    if body is not None:
        node = str(section(body, "spec").get("nodeName") or "")
        lost = context.nodes.is_lost(node, after_seconds=context.settings.node_lost_seconds)
        return body, lost
    if key not in context.runtime.taken:
        return None, False
    body = await context.kube.find(PODS, *place)
    if body is not None and not is_ours(body):
        return body, False
    context.runtime.taken.discard(key)
    return None, False


async def check_name_free(managed: ManagedPod) -> None:
    """Before a pod is made.

    Raises:
        Conflict: there is one of its name. Ours is noted; only what our watch follows may be kept,
            for of anything else the end would never be heard.
    """
    context = managed.context
    pod = await context.kube.find(PODS, *managed.place)
    if pod is None:
        return
    if managed.is_ours(pod):
        context.pods.put(pod)
    else:
        context.runtime.taken.add(managed.key)
    raise Conflict(f"a pod named {managed.place.name} exists already")


async def create_pod(managed: ManagedPod, body: Json) -> None:
    """Start it."""
    context = managed.context
    context.pods.put(await context.kube.create(PODS, managed.place.namespace, body))


async def annotate_pod(managed: ManagedPod, fingerprint: str) -> None:
    """Change the pod's annotation, so that the kubelet syncs the Secret without waiting."""
    patch = {"metadata": {"annotations": {names.ASSIGNMENT_ANNOTATION: fingerprint}}}
    context = managed.context
    context.pods.put(await context.kube.patch(PODS, *managed.place, patch))


async def delete_pod(
    managed: ManagedPod, action: DeletePod, pod: PodState | None, *, reason: str, what: str
) -> None:
    """End it; said once, by the first pass that does."""
    await managed.context.kube.delete(
        PODS, *managed.place, uid=action.uid, grace_seconds=action.grace_seconds
    )
    if pod is not None and not pod.leaving:
        await emit(managed, "Normal", reason, f"Removed the {what} pod: {action.why}.")


async def write_secret(managed: ManagedPod, body: Json, *, version: str | None) -> None:
    """Make the Secret, or change the one seen at that version; no other owner is left on it."""
    kube = managed.context.kube
    if version is None:
        await kube.create(SECRETS, managed.place.namespace, body)
        return
    meta = {
        "ownerReferences": body["metadata"].get("ownerReferences"),
        "labels": body["metadata"]["labels"],
        "resourceVersion": version,
    }
    await kube.patch(SECRETS, *managed.place, {"metadata": meta, "data": body["data"]})


async def delete_secret(managed: ManagedPod, uid: str) -> None:
    """Take its credentials away."""
    await managed.context.kube.delete(SECRETS, *managed.place, uid=uid)


async def emit(managed: ManagedPod, kind: str, reason: str, message: str) -> None:
    """Write an Event about what it is for; a story lost must not hold up the trade."""
    context = managed.context
    await emit_event(
        context.kube,
        managed.subject,
        kind=kind,
        reason=reason,
        message=message,
        time_us=context.clock.now_us(),
    )
