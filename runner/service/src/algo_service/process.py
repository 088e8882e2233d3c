"""What the command lines of the pods' processes share: options, the port, the cause of an end."""

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from algo_contract.names import METRICS_PORT, SECRET_FOLDER


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where a pod's process finds its Secret, and on which port it answers."""

    secret: Path
    port: int


def run_options(program: str, arguments: Sequence[str]) -> RunOptions:
    """The options of `PROGRAM run`. A pod gives none and does without argparse, 0.4 MiB.

    Raises:
        SystemExit: 0 after --help; 2 after saying what is wrong.
    """
    if not arguments:
        return RunOptions(Path(SECRET_FOLDER), METRICS_PORT)
    import argparse

    parser = argparse.ArgumentParser(
        prog=f"{program} run", description="The process in a pod.", allow_abbrev=False
    )
    parser.add_argument(
        "--secret",
        type=Path,
        default=Path(SECRET_FOLDER),
        metavar="FOLDER",
        help="where the pod's Secret is mounted (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=METRICS_PORT,
        metavar="N",
        help="metrics and probes; 0 picks a free one (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    return RunOptions(options.secret, options.port)


def listen(program: str, port: int) -> socket.socket:
    """A listening socket on all addresses.

    Raises:
        SystemExit: 2, after saying why; another process has the port, or it may not be used.
    """
    try:
        return socket.create_server(("", port))
    except OSError as error:
        sys.stderr.write(f"{program}: port {port} cannot be listened on: {error}\n")
        raise SystemExit(2) from None


def first_cause(group: BaseExceptionGroup) -> BaseException:
    """The first exception in a group of groups."""
    first = group.exceptions[0]
    return first_cause(first) if isinstance(first, BaseExceptionGroup) else first


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text!r} is no port: a whole number up to 65535")
    return int(text)
