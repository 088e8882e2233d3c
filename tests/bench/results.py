"""Percentiles and the page docs/benchmarks.md."""

import platform
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/benchmarks.md"
BEGIN, END = "<!-- begin figures -->", "<!-- end figures -->"


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    measured: str
    goal: str
    is_met: bool
    how: str


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def table(results: Sequence[Figure]) -> str:
    """The figures as Markdown."""
    rows = [
        f"| {f.what} | {f.measured} | {f.goal} | {'yes' if f.is_met else '**no**'} | {f.how} |"
        for f in results
    ]
    head = "| what | measured | goal | met | how |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def write_page(results: Sequence[Figure], date: str) -> None:
    """Replaces the figures between the page's marks."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"
    body = f"Measured on {date}: {machine}.\n\n{table(results)}"
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{body}{END}{after}", encoding="utf-8")
