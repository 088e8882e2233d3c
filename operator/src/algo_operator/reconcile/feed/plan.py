"""From what is seen of an account's feed to what is to be done. Pure."""

from typing import Final

from algo_operator.model import feed as act
from algo_operator.model.actions import AnnotatePod, DeletePod
from algo_operator.model.feed import FeedPlan, ObservedFeed, wants_feed
from algo_operator.model.observed import PodState
from algo_operator.model.schedule import SECOND
from algo_operator.reconcile.strategy.plan import KEPT_CRASHING, patience
from algo_operator.settings import Settings
from algo_operator.specs.feed import feed_assignment, feed_hash, feed_settings_hash

TAKEN_US: Final = 5 * SECOND
"""A name that something else has is asked for again after this long."""


def plan_feed(observed: ObservedFeed, settings: Settings) -> FeedPlan:
    """Decide on one account's feed."""
    wanted = wants_feed(observed)
    return FeedPlan(
        actions=tuple(_steps(observed, settings, wanted=wanted)),
        wanted=wanted,
        wake_us=_wake(observed),
    )


def _steps(observed: ObservedFeed, settings: Settings, *, wanted: bool) -> list[act.FeedAction]:
    pod, secret = observed.pod, observed.secret
    foreign = secret is not None and secret.foreign
    if pod is None:
        if wanted:
            return [] if foreign else [act.StartFeed()]
        lets_go = observed.sure and not observed.in_position
        return [act.CleanFeed()] if secret is not None and not foreign and lets_go else []
    if observed.left_over and not pod.leaving:
        return [DeletePod(pod.uid, "it is of an account of this name that is gone")]
    if not pod.ours or foreign:
        return []
    if pod.node_lost:
        return [DeletePod(pod.uid, "its node is lost", 0)]
    if pod.leaving:
        return []
    if not wanted:
        return [DeletePod(pod.uid, "no strategy needs it now")]
    why = _replacement(observed, pod, settings)
    if why:
        return [DeletePod(pod.uid, why, 0 if observed.in_position else None)]
    return _keep(observed, pod)


def _replacement(observed: ObservedFeed, pod: PodState, settings: Settings) -> str:
    """Why a pod that should exist must be made again, or nothing."""
    if pod.ended:
        return "it was evicted or ended"
    wait = patience(at_risk=observed.in_position, replaced=observed.replaced)
    if pod.backing_off and observed.wall_us - pod.created_us > wait:
        return KEPT_CRASHING
    if observed.in_position or not observed.sure:
        return ""
    if pod.image != settings.runner_image:
        return "there is a new image"
    if observed.settings_hash != feed_settings_hash(feed_assignment(observed.account), settings):
        return "the account's settings changed"
    return ""


def _keep(observed: ObservedFeed, pod: PodState) -> list[act.FeedAction]:
    assignment, secret = feed_assignment(observed.account), observed.secret
    session = session_for(observed)
    steps: list[act.FeedAction] = [] if observed.acl_current else [act.GrantFeed()]
    if observed.account.problem:
        # Its spec may name any host by now: the pod goes on as it was made, and so does its user
        # where its password cannot be read, for a new one would not be handed to it.
        return steps if secret is not None and secret.password else []
    stale = (
        secret is None
        or secret.assignment != assignment
        or secret.session != session
        or not secret.redis_current
    )
    if stale:
        steps.append(act.WriteFeedSecret())
    if pod.fingerprint != (fingerprint := feed_hash(assignment, session)):
        steps.append(AnnotatePod(fingerprint))
    return steps


def session_for(observed: ObservedFeed) -> str:
    """The session that the Secret should hold: the newest, for as long as one can be read."""
    if observed.session.state == "open":
        return observed.session.fingerprint
    return observed.secret.session if observed.secret is not None else ""


def _wake(observed: ObservedFeed) -> int | None:
    now, pod = observed.wall_us, observed.pod
    moments: list[int] = []
    if observed.needed_us is not None:
        moments.append(observed.needed_us)
    if observed.session.state == "open":
        moments.append(observed.session.expires_us)
    if pod is not None and pod.backing_off:
        wait = patience(at_risk=observed.in_position, replaced=observed.replaced)
        moments.append(pod.created_us + wait + SECOND)
    taken = observed.secret is not None and observed.secret.foreign
    if taken or (pod is not None and not pod.ours):
        moments.append(now + TAKEN_US)
    return min((moment for moment in moments if moment > now), default=None)
