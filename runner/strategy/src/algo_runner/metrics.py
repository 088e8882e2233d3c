"""What a runner's /metrics shows."""

from algo_engine.state import position
from algo_redis.tick_reader import TickReader
from algo_service.exposition import Sample, age_seconds

from algo_runner.session import StrategySession
from algo_runner.tick_loop import TickLoop


def samples(session: StrategySession, reader: TickReader, tick_loop: TickLoop) -> list[Sample]:
    """The figures of a runner at work."""
    counters = session.counters
    ignored = counters.ignored_ticks + tick_loop.misstamped
    age = age_seconds(session.last.received_us)
    return [
        _counter("ticks_total", "Ticks read.", reader.ticks),
        _counter("ticks_garbled_total", "Stream entries that are no tick.", reader.garbled),
        _counter("ticks_ignored_total", "Ticks without a price or outside the session.", ignored),
        _counter("tick_gaps_total", "Times that ticks may have been missed.", reader.gaps),
        _counter("reconnects_total", "Reconnections of the tick reader.", reader.reconnects),
        _counter("commits_total", "Journal commits.", counters.commits),
        _counter(
            "commit_retries_total", "Commits repeated: Redis was away.", counters.commit_retries
        ),
        _gauge("last_tick_age_seconds", "Age of the newest tick; -1 before the first.", age),
        _gauge("position", "Shares held.", position(session.state)),
        *(
            Sample(
                "algo_runner_order_requests_total",
                "Requests to the broker by outcome.",
                "counter",
                count,
                f'operation="{operation}",outcome="{outcome}"',
            )
            for (operation, outcome), count in sorted(counters.requests.items())
        ),
    ]


def _counter(name: str, help_text: str, value: float) -> Sample:
    return Sample(f"algo_runner_{name}", help_text, "counter", value)


def _gauge(name: str, help_text: str, value: float) -> Sample:
    return Sample(f"algo_runner_{name}", help_text, "gauge", value)
