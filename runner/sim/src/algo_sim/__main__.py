"""`algo-sim`."""

import asyncio
import json
import signal
import sys

import uvloop
from algo_engine.tick_file import TickFileError

from algo_sim.server import addresses, build, close, play_scenario, serve
from algo_sim.settings import Settings, SettingsError, read_settings


def main() -> int:
    """The command line; returns the exit status: 0 ended by a signal, 2 bad input."""
    try:
        uvloop.run(run(read_settings(sys.argv[1:])))
    except (SettingsError, TickFileError) as error:
        _ = sys.stderr.write(f"algo-sim: {error}\n")
        return 2
    except OSError as error:
        _ = sys.stderr.write(f"algo-sim: cannot listen: {error.strerror or error}\n")
        return 2
    return 0


async def run(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM.

    Raises:
        SettingsError, TickFileError: the options or their files are not good.
        OSError: a port is taken.
    """
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    simulation, admin = build(settings)
    await play_scenario(simulation, admin, settings.scenario)
    runners = await serve(settings, simulation=simulation, admin=admin)
    found = addresses(runners, tls=settings.tls is not None)
    _ = sys.stdout.write(json.dumps(found) + "\n")
    _ = sys.stdout.flush()
    if settings.start_at_once and settings.speed is not None:
        simulation.start(settings.speed)
    try:
        _ = await ended.wait()
    finally:
        await close(simulation, runners)


if __name__ == "__main__":
    sys.exit(main())
