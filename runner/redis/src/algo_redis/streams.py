"""Stream entries, as the server sends them."""

from collections.abc import Sequence


def entry_fields(flat: Sequence[str]) -> dict[str, str]:
    """An entry's fields: the server sends names and values in turn, in RESP3 too."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
