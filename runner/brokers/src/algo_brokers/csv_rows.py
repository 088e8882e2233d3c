"""A CSV file line by line."""

import csv
from collections.abc import Iterator


def csv_rows(lines: Iterator[str]) -> Iterator[list[str]]:
    """Its rows, the header first. One that is no CSV, as with a field of over 128 KiB, is passed
    over: it must not hide the others.
    """
    reader = csv.reader(lines)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
