"""A vendor's SDK in a process of its own, driven by a test (tests/conformance/sdk)."""

import asyncio
import datetime as dt
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parents[3]
_SCENARIOS: Final = _ROOT / "tests/conformance/sdk"
_LINE_LIMIT: Final = 1 << 26


class Raised(Exception):
    """What the SDK raised: its class, its text and, where it has one, its HTTP status."""

    def __init__(self, kind: str, message: str, code: int | None) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind, self.message, self.code = kind, message, code


@dataclass
class Driver:
    """The process, and what it told."""

    process: asyncio.subprocess.Process
    log: Path
    answers: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    events: list[tuple[str, Any]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, name: str, *args: object, **kwargs: object) -> Any:
        """Calls the SDK; dates it made are dates here.

        Raises:
            Raised: as the SDK did.
        """
        assert self.process.stdin is not None
        request = json.dumps({"call": name, "args": args, "kwargs": kwargs})
        self.process.stdin.write(request.encode() + b"\n")
        await self.process.stdin.drain()
        async with asyncio.timeout(30):
            message = await self.answers.get()
        if "raised" in message:
            raise Raised(message["raised"], message["message"], message["code"])
        assert "answer" in message, self._story()
        return message["answer"]

    def told(self, name: str) -> list[Any]:
        """The data of all events of this name, oldest first."""
        return [data for event, data in self.events if event == name]

    async def until(self, done: Callable[[], object], *, seconds: float = 15) -> None:
        """Waits for events that make `done` true."""
        try:
            async with asyncio.timeout(seconds):
                while not done():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s\n{self._story()}") from None

    async def read(self) -> None:
        """Until the process ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            message = json.loads(line, object_hook=_decoded)
            if "event" in message:
                self.events.append((message["event"], message["data"]))
                self._changed.set()
            else:
                self.answers.put_nowait(message)
        self.answers.put_nowait({"ended": True})

    def _story(self) -> str:
        told = "\n".join(str(event)[:300] for event in self.events[-10:])
        return f"{told}\n{self.log.read_text(errors='replace')[-3000:]}"


@asynccontextmanager
async def sdk(broker: str, scenario: str, *arguments: str, folder: Path) -> AsyncIterator[Driver]:
    """The scenario's process, with a scratch folder for what the SDK leaves behind.

    Raises:
        AssertionError: it tried a host that is not the simulator.
    """
    python = _ROOT / ".tools/sdk" / broker / "bin/python"
    assert python.exists(), "run tests/conformance/setup-sdks first"
    log = folder / f"{scenario}.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *(python, _SCENARIOS / f"{scenario}.py", *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,
            env=_environment(folder),
            limit=_LINE_LIMIT,
        )
    driver = Driver(process, log)
    reading = asyncio.create_task(driver.read())
    try:
        yield driver
    finally:
        await _end(process, reading)
    missed = driver.told("missed_host")
    assert not missed, f"the scenario did not replace {missed}"


async def _end(process: asyncio.subprocess.Process, reading: "asyncio.Task[None]") -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(10):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    await reading


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of ours, no proxy. Indian time, for KiteTicker makes local times of seconds."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TZ": "Asia/Kolkata",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _decoded(value: dict[str, Any]) -> Any:
    if value.keys() == {"$date"}:
        text = value["$date"]
        return dt.datetime.fromisoformat(text) if "T" in text else dt.date.fromisoformat(text)
    return value
