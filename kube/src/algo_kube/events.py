"""Kubernetes Events, so that `kubectl describe` reads as a story."""

import hashlib
from dataclasses import dataclass
from typing import Final

from algo_service.logging import get_logger

from algo_kube import metrics
from algo_kube.client import Kube
from algo_kube.errors import AlreadyExists, ControllerError, Rejected
from algo_kube.resources import EVENTS, Resource
from algo_kube.times import timestamp

log = get_logger(__name__)

_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The object an Event is about."""

    resource: Resource
    namespace: str
    name: str
    uid: str


async def post_event(
    kube: Kube,
    subject: Subject,
    *,
    kind: str,
    reason: str,
    message: str,
    time_us: int,
    once: str = "",
) -> None:
    """Write an Event. The same `once`, a stream id, is written once, whoever repeats it.

    Its time has whole seconds, and within one `kubectl describe` keeps to the names: so a name
    begins with the moment.
    """
    mark = name_suffix(subject.uid, once or f"{time_us // 1000}-0", reason="" if once else reason)
    when = timestamp(time_us)
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{subject.name[:_LONGEST_NAME]}.{mark}",
            "namespace": subject.namespace,
        },
        "involvedObject": {
            "apiVersion": subject.resource.api_version,
            "kind": subject.resource.kind,
            "namespace": subject.namespace,
            "name": subject.name,
            "uid": subject.uid,
        },
        "reason": reason[:128],
        "message": message[:1024],
        "type": kind if kind in {"Normal", "Warning"} else "Normal",
        "source": {"component": kube.manager},
        "firstTimestamp": when,
        "lastTimestamp": when,
        "count": 1,
    }
    try:
        await kube.create(EVENTS, subject.namespace, body)
        metrics.EVENTS_POSTED.labels(body["type"]).inc()
    except AlreadyExists:
        return
    except Rejected as error:
        log.warning("event_refused", reason=reason, error=str(error))


def name_suffix(uid: str, moment: str, *, reason: str) -> str:
    """A name's end, in the order of moments (milliseconds, a dash, a number), and its own for each
    object and reason.
    """
    milliseconds, _, number = moment.partition("-")
    digest = hashlib.sha256(f"{uid}/{moment}/{reason}".encode()).hexdigest()[:8]
    return f"{int(milliseconds):011x}{int(number or 0) & 0xFFFF:04x}{digest}"


async def emit_event(
    kube: Kube, subject: Subject, *, kind: str, reason: str, message: str, time_us: int
) -> None:
    """Write an Event of our own; a story lost must not hold up the trade."""
    try:
        await post_event(kube, subject, kind=kind, reason=reason, message=message, time_us=time_us)
    except ControllerError as error:
        log.warning("event_not_posted", reason=reason, error=str(error))
