"""`make lint`: a word that the glossary retired does not come back as a name."""

import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def retired() -> frozenset[str]:
    """The words under "Retired words" of the glossary."""
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"`(\w+)`", text.partition("## Retired words")[2]))


def names_in(source: str) -> list[tuple[int, str]]:
    """The names in a module, with their lines."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.NAME]


def main() -> int:
    """The number of names that hold a retired word; each is printed."""
    words = retired()
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = 0
    for name in listed.stdout.split():
        path = ROOT / name
        if not path.exists():
            continue
        for line, token in names_in(path.read_text(encoding="utf-8")):
            hit = words & {token, *token.strip("_").lower().split("_")}
            if hit:
                found += 1
                print(f"{name}:{line}: {token}: {sorted(hit)} is retired (docs/glossary.md)")
    return found


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
