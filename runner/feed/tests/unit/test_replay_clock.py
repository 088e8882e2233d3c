"""Exchange time at a multiple of a clock that the test moves."""

import math

from algo_feed.replay.replay_clock import ReplayClock

SECOND = 1_000_000


def test_pace__runs_at_its_speed() -> None:
    now = [50.0]
    pace = ReplayClock(60, start_us=7 * SECOND, monotonic=lambda: now[0])

    assert pace.reached_us() == 7 * SECOND
    assert pace.seconds_until(67 * SECOND) == 1.0
    now[0] += 2
    assert pace.reached_us() == 127 * SECOND
    assert pace.seconds_until(67 * SECOND) == -1.0


def test_pace__postponed__leaves_the_time_out() -> None:
    now = [0.0]
    pace = ReplayClock(1, start_us=0, monotonic=lambda: now[0])
    now[0] = 100.0
    pace.postpone(97.0)

    assert pace.reached_us() == 3 * SECOND


def test_pace__infinite__never_waits() -> None:
    pace = ReplayClock(math.inf, start_us=0)

    assert pace.seconds_until(10**18) == 0
    assert pace.reached_us() is None
