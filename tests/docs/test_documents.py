"""What the documents name is there: tests, files, words."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TEST_ID = re.compile(r"`([\w/.-]+\.py)::([\w:]+)`")
FILE = re.compile(r"`((?:[\w-]+/)+[\w.-]+\.(?:py|toml|md|sh|yaml))`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def ids_in(name: str) -> list[tuple[str, str]]:
    return TEST_ID.findall((DOCS / name).read_text())


@cache
def named_tests(path: str) -> frozenset[str]:
    """The names of the tests in a file; a class's with the class before them."""
    tree = ast.parse((ROOT / path).read_text())
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}::{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return frozenset(found)


@pytest.mark.parametrize("name", ["invariants.md", "SRS.md"])
def test_each_test_that_a_document_names__exists(name: str) -> None:
    named = ids_in(name)

    assert len(named) > 8
    assert [f"{path}::{test}" for path, test in named if test not in named_tests(path)] == []


def test_invariants__each_promise_names_one_test_or_says_later() -> None:
    rows = re.findall(r"^\| \d+ \|.*\|$", (DOCS / "invariants.md").read_text(), re.MULTILINE)

    assert len(rows) >= 11
    assert [row for row in rows if len(TEST_ID.findall(row)) != 1 and "*later*" not in row] == []


def test_srs__has_a_row_for_each_of_the_requirements() -> None:
    rows = re.findall(r"^\| (\d+) \|", (DOCS / "SRS.md").read_text(), re.MULTILINE)

    assert [int(row) for row in rows] == list(range(1, 25))


@pytest.mark.parametrize("name", ["HLD.md", "LLD.md", "SRS.md"])
def test_each_file_that_a_document_names__exists(name: str) -> None:
    named = FILE.findall((DOCS / name).read_text())

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_each_relative_link__leads_somewhere() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    broken = [
        f"{name}: {target}"
        for name in listed.stdout.split("\0")
        if name and (ROOT / name).exists()
        for target in LINK.findall((ROOT / name).read_text())
        if not (ROOT / name).parent.joinpath(target).exists()
    ]

    assert broken == []
