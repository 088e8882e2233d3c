"""What a plan may ask for. Each action is safe to repeat."""

from dataclasses import dataclass
from typing import Any

from algo_contract.messages.assignment import Assignment
from algo_contract.stream_fields import CommandKind


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Hold the resource until it is flat."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Let the resource go."""


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Merge these fields into the status."""

    fields: dict[str, Any]
    guarded: bool = False
    """Only if nobody changed the resource since it was read: before a new epoch."""


@dataclass(frozen=True, slots=True)
class GrantRedis:
    """Make the runner's Redis user as it should be, on both servers."""

    symbol: tuple[str, str]
    feed: str
    account: str | None
    tenant: str


@dataclass(frozen=True, slots=True)
class WriteSecret:
    """Hand the runner its assignment."""

    assignment: Assignment
    owned: bool
    session: str = ""
    """The fingerprint of the broker session that goes beside it; empty: what is there stays."""


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Start the runner."""

    assignment: Assignment
    owned: bool
    session: str = ""


@dataclass(frozen=True, slots=True)
class DeletePod:
    """End the runner's pod."""

    uid: str
    why: str
    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class AnnotatePod:
    """Change the pod's annotation, so that the kubelet syncs the Secret at once."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class SendCommand:
    """Tell the runner at once; the durable word is in its assignment."""

    kind: CommandKind
    id: str
    day: str


@dataclass(frozen=True, slots=True)
class DeleteSecret:
    """Take the runner's credentials away."""


@dataclass(frozen=True, slots=True)
class RevokeRedis:
    """Remove the runner's Redis user."""


@dataclass(frozen=True, slots=True)
class DeleteState:
    """Remove the strategy's own Redis keys; journal and events stay."""


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Write a Kubernetes Event."""

    type: str
    reason: str
    message: str


Action = (
    AddFinalizer
    | RemoveFinalizer
    | WriteStatus
    | GrantRedis
    | WriteSecret
    | CreatePod
    | DeletePod
    | AnnotatePod
    | SendCommand
    | DeleteSecret
    | RevokeRedis
    | DeleteState
    | EmitEvent
)
