"""The gateway's figures as Prometheus reads them, made when they are asked for."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from algo_feed.metrics import LAG_SECONDS, Metrics
from algo_feed.ticks.encoder import TickEncoder
from algo_feed.ticks.exchange_clock import ExchangeClock


@dataclass(slots=True, eq=False)
class MetricsPage:
    """The page /metrics of one gateway."""

    metrics: Metrics
    clock: ExchangeClock | None = None
    encoder: TickEncoder | None = None
    """Both None until there is a session."""

    def text(self) -> str:
        """Prometheus' text format, with the process's own metrics."""
        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        return generate_latest(registry).decode()

    def collect(self) -> Iterator[Metric]:
        """The metrics now; called by the registry."""
        metrics, now = self.metrics, time.time()
        for name, text, value in (
            ("ticks", "Ticks published.", metrics.ticks),
            ("frames", "Frames received.", metrics.frames),
            ("garbled_frames", "Frames not understood.", metrics.garbled),
            (
                "bad_prices",
                "Ticks of no price, not published.",
                self.encoder.bad_prices if self.encoder else 0,
            ),
            ("future_stamps", "Stamps not believed.", self.clock.futures if self.clock else 0),
            ("dropped_ticks", "Ticks dropped for newer ones.", metrics.dropped),
            ("gaps", "Times ticks may have been lost.", metrics.gaps),
            ("redis_refusals", "Commands that Redis refused.", metrics.refused),
            ("silences", "Sockets given up for silence.", metrics.stale),
            ("book_reads", "Order books read.", metrics.book_reads),
            ("book_failures", "Order books not read.", metrics.book_failures),
            ("order_rows", "Order reports published.", metrics.rows),
            ("quote_reads", "Quotes read.", metrics.quote_reads),
        ):
            yield CounterMetricFamily(f"algo_feed_{name}", text, value=value)
        reconnects = CounterMetricFamily(
            "algo_feed_reconnects", "Connections that ended.", labels=["socket"]
        )
        for socket, count in sorted(metrics.reconnects.items()):
            reconnects.add_metric([socket], count)
        yield reconnects
        tick_age = now - metrics.newest_tick_us / 1e6 if metrics.newest_tick_us else -1.0
        stamp_us = self.clock.newest_us if self.clock else 0
        for name, text, value in (
            ("newest_tick_age_seconds", "Since the newest tick; -1 before any.", tick_age),
            (
                "exchange_skew_seconds",
                "Our clock less the newest stamp; 0 before any.",
                now - stamp_us / 1e6 if stamp_us else 0.0,
            ),
            ("instruments", "Instruments subscribed.", metrics.subscribed),
            ("unknown_instruments", "Wanted, but not to be had.", metrics.unknown),
        ):
            yield GaugeMetricFamily(f"algo_feed_{name}", text, value=value)
        yield self._lag()

    def _lag(self) -> Metric:
        family = HistogramMetricFamily(
            "algo_feed_publish_lag_seconds", "From a frame's receipt to Redis' answer."
        )
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*LAG_SECONDS, "+Inf"), self.metrics.lag_counts, strict=True):
            total += count
            buckets.append((str(bound), total))
        family.add_metric([], buckets=buckets, sum_value=self.metrics.lag_sum)
        return family
