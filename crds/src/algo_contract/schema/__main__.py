"""`python -m algo_contract.schema [--check] ROOT`: writes the generated files, or tells the stale.

With --check nothing is written and the exit status is 1 when a file differs from its source.
"""

import sys
from pathlib import Path

from algo_contract.schema.crd import RESOURCES, crd_yaml
from algo_contract.schema.holidays import holidays_json
from algo_contract.schema.reference import reference_markdown


def generated_files() -> dict[str, str]:
    """Path below the root of the repository → text."""
    files = {f"crds/manifests/{r.plural}.yaml": crd_yaml(r) for r in RESOURCES}
    files["crds/src/algo_contract/generated/holidays.json"] = holidays_json()
    files["docs/reference/resources.md"] = reference_markdown()
    return files


def main(arguments: list[str]) -> int:
    """Writes or checks; returns the exit status."""
    check = "--check" in arguments
    root = Path(next((a for a in arguments if not a.startswith("--")), "."))
    stale = 0
    for name, text in generated_files().items():
        path = root / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if check:
            sys.stderr.write(f"{name} is stale: run `make generate` and commit the result\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {name}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
