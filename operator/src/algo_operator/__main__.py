"""`algo-operator`: read the settings, run until told to stop."""

import asyncio
import os
import signal
import sys

from algo_kube.config import Access, load_access
from algo_kube.errors import Misconfigured
from algo_service.logging import set_up_logging
from pydantic import ValidationError

from algo_operator.settings import Settings
from algo_operator.wiring import Operator


def main() -> None:
    """The process; exits with 2 when it is set up wrongly, naming everything that is wrong."""
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue] - fields come from the environment
        access = load_access(os.environ.get("KUBECONFIG"))
    except ValidationError as error:
        for row in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in row["loc"]).upper()
            sys.stderr.write(f"ALGO_OPERATOR_{name}: {row['msg']}\n")
        sys.exit(2)
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    set_up_logging(settings.log_level)
    sys.exit(_run(settings, access))


def _run(settings: Settings, access: Access) -> int:
    try:
        import uvloop
    except ImportError:
        runner = asyncio.Runner()
    else:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with runner:
        return runner.run(_serve(settings, access))


async def _serve(settings: Settings, access: Access) -> int:
    operator = Operator(settings, access)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, operator.stop.set)
    return await operator.run()


if __name__ == "__main__":
    main()
