"""The size rules of product code: no file over 500 lines, the median at most 120, p90 350."""

import statistics
import sys
from pathlib import Path

HARD_STOP, MEDIAN, NINETIETH = 500, 120, 350


def main() -> int:
    """1 when a rule is broken."""
    root = Path(__file__).resolve().parents[1]
    files = [
        p for part in ("crds", "operator", "runner") for p in (root / part).rglob("src/**/*.py")
    ]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    sizes = sorted(lines.values())
    ninetieth = sizes[int(len(sizes) * 0.9)]
    too_long = [f"{p.relative_to(root)}: {n} lines" for p, n in lines.items() if n > HARD_STOP]
    median = statistics.median(sizes)
    sys.stdout.write(f"{len(sizes)} files, median {median}, p90 {ninetieth}, largest {sizes[-1]}\n")
    sys.stdout.writelines(f"{line}, more than {HARD_STOP}: split it\n" for line in too_long)
    return int(bool(too_long) or median > MEDIAN or ninetieth > NINETIETH)


if __name__ == "__main__":
    sys.exit(main())
