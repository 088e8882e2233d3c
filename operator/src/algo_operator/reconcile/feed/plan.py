"""From what is seen of an account's feed to what is to be done. Pure."""

from typing import Final

from algo_operator.model import feed as act
from algo_operator.model.feed import FeedPlan, ObservedFeed, wants_feed
from algo_operator.model.observed import PodState
from algo_operator.model.schedule import SECOND
from algo_operator.reconcile.strategy.plan import KEPT_CRASHING, patience
from algo_operator.settings import Settings
from algo_operator.specs.feed import feed_assignment, feed_hash, feed_settings_hash

TAKEN_US: Final = 5 * SECOND
"""A name that something else has is asked for again after this long."""


def plan_feed(seen: ObservedFeed, settings: Settings) -> FeedPlan:
    """Decide on one account's feed."""
    wanted = wants_feed(seen)
    return FeedPlan(
        actions=tuple(_steps(seen, settings, wanted=wanted)),
        wanted=wanted,
        wake_us=_wake(seen),
    )


def _steps(seen: ObservedFeed, settings: Settings, *, wanted: bool) -> list[act.FeedAction]:
    pod, secret = seen.pod, seen.secret
    foreign = secret is not None and secret.foreign
    if pod is None:
        if wanted:
            return [] if foreign else [act.StartFeed()]
        lets_go = seen.sure and not seen.in_position
        return [act.CleanFeed()] if secret is not None and not foreign and lets_go else []
    if seen.left_over and not pod.leaving:
        return [act.DeleteFeed(pod.uid, "it is of an account of this name that is gone")]
    if not pod.ours or foreign:
        return []
    if pod.node_lost:
        return [act.DeleteFeed(pod.uid, "its node is lost", 0)]
    if pod.leaving:
        return []
    if not wanted:
        return [act.DeleteFeed(pod.uid, "no strategy needs it now")]
    why = _replacement(seen, pod, settings)
    if why:
        return [act.DeleteFeed(pod.uid, why, 0 if seen.in_position else None)]
    return _keep(seen, pod)


def _replacement(seen: ObservedFeed, pod: PodState, settings: Settings) -> str:
    """Why a pod that should exist must be made anew, or nothing."""
    if pod.ended:
        return "it was evicted or ended"
    wait = patience(at_risk=seen.in_position, replaced=seen.replaced)
    if pod.backing_off and seen.wall_us - pod.created_us > wait:
        return KEPT_CRASHING
    if seen.in_position or not seen.sure:
        return ""
    if pod.image != settings.runner_image:
        return "there is a new image"
    if seen.settings_mark != feed_settings_hash(feed_assignment(seen.account), settings):
        return "the account's settings changed"
    return ""


def _keep(seen: ObservedFeed, pod: PodState) -> list[act.FeedAction]:
    assignment, secret = feed_assignment(seen.account), seen.secret
    session = session_for(seen)
    steps: list[act.FeedAction] = [] if seen.acl_current else [act.GrantFeed()]
    if seen.account.problem:
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
    if pod.mark != (mark := feed_hash(assignment, session)):
        steps.append(act.AnnotateFeed(mark))
    return steps


def session_for(seen: ObservedFeed) -> str:
    """The session that the Secret should hold: the newest, for as long as one can be read."""
    if seen.session.state == "open":
        return seen.session.mark
    return seen.secret.session if seen.secret is not None else ""


def _wake(seen: ObservedFeed) -> int | None:
    now, pod = seen.wall_us, seen.pod
    moments: list[int] = []
    if seen.needed_us is not None:
        moments.append(seen.needed_us)
    if seen.session.state == "open":
        moments.append(seen.session.expires_us)
    if pod is not None and pod.backing_off:
        wait = patience(at_risk=seen.in_position, replaced=seen.replaced)
        moments.append(pod.created_us + wait + SECOND)
    taken = seen.secret is not None and seen.secret.foreign
    if taken or (pod is not None and not pod.ours):
        moments.append(now + TAKEN_US)
    return min((moment for moment in moments if moment > now), default=None)
