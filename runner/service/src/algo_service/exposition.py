"""Prometheus' text format by hand, for the runner alone: prometheus_client would cost a tenth of
its process's memory (docs/benchmarks.md). Everything else uses that library.
"""

import resource
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure."""

    name: str
    help: str
    kind: str
    value: float
    labels: str = ""
    """As in the exposition format, without the braces."""


def process_samples(started: float) -> list[Sample]:
    """The process's own figures; `started` in seconds since the epoch."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return [
        Sample("process_start_time_seconds", "When the process started.", "gauge", started),
        Sample(
            "process_cpu_seconds_total",
            "Processor time used.",
            "counter",
            usage.ru_utime + usage.ru_stime,
        ),
        Sample(
            "process_resident_memory_max_bytes",
            "Most memory resident so far.",
            "gauge",
            usage.ru_maxrss * 1024,
        ),
    ]


def age_seconds(time_us: int) -> float:
    """Seconds since a wall-clock time in µs; -1 where there is none."""
    return time.time() - time_us / 1e6 if time_us else -1.0


def exposition(samples: list[Sample]) -> str:
    """The text of a page."""
    lines: list[str] = []
    described: set[str] = set()
    for sample in samples:
        if sample.name not in described:
            described.add(sample.name)
            lines += [f"# HELP {sample.name} {sample.help}", f"# TYPE {sample.name} {sample.kind}"]
        labels = f"{{{sample.labels}}}" if sample.labels else ""
        lines.append(f"{sample.name}{labels} {sample.value:.17g}")
    return "\n".join(lines) + "\n"
