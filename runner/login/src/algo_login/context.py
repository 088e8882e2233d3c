"""What every pass is handed: ports and memory, built once in `worker`."""

from dataclasses import dataclass, field

from algo_kube.client import Kube

from algo_login.credentials import CredentialStore
from algo_login.retry_state import RetryState
from algo_login.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The worker's ports and memory."""

    settings: Settings
    kube: Kube
    credentials: CredentialStore
    retries: RetryState = field(default_factory=RetryState)
