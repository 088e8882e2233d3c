"""A live strategy outside a cluster, every part a real process: the simulated broker, the account's
feed, the runner, Redis. What the trader would see is in the strategy's state and events.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from algo_brokers import adapters
from algo_brokers.http.client import HttpClient
from algo_contract import redis_keys
from algo_contract.messages.redis_server import REDIS_FILE, RedisServer, redis_json
from algo_contract.messages.assignment import Live, TickBand
from algo_contract.messages.instrument import read_instrument
from algo_contract.messages.broker_session import SESSION_FILE, BrokerSession, session_json
from algo_contract.messages.feed_assignment import FEED_FILE, FeedAssignment, feed_json
from support.factories.days import a_day, a_strategy
from support.servers.redis_server import RedisProcess, free_port
from support.servers.runner_process import RunnerProcess, hash_of, wait_for
from support.servers.sim_server import Simulator, simulator, step_begin_us

ACCOUNT = "brk_live"
SECRETS = {
    "zerodha": {"api_key": "simkey", "api_secret": "simsecret", "user_id": "SIM001"},
    "dhan": {"client_id": "1100000001", "pin": "123456", "totp_seed": "JBSWY3DPEHPK3PXP"},
}
SECONDS = 20.0


@dataclass
class FeedProcess:
    """`algo-feed run` with its Secret folder."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        command = [sys.executable, "-m", "algo_feed", "run"]
        options = ["--secret", str(self.folder), "--port", str(self.port)]
        with (self.folder / "feed.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *options], stdout=log, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)
        self.process.wait(timeout=15)

    def log(self) -> str:
        return (self.folder / "feed.log").read_text(errors="replace")


@dataclass
class LiveStrategy:
    """One account with one strategy."""

    broker: str
    sim: Simulator
    redis: RedisProcess
    feed: FeedProcess
    runner: RunnerProcess

    @property
    def state(self) -> dict[str, str]:
        """What the app shows."""
        return self.runner.state()

    def story(self) -> list[tuple[str, str]]:
        """The strategy's events, as `kubectl describe` would list them: (reason, message)."""
        key = redis_keys.strategy(self.runner.day.strategy.id, "events")
        reply = self.redis.run("XRANGE", key, "-", "+")
        words = [line for line in reply.split("\r\n") if line and line[0] not in "*$"]
        fields = dict[str, str]()
        told: list[tuple[str, str]] = []
        for name, value in itertools.pairwise(words):
            if name in ("reason", "message"):
                fields[name] = value
            if len(fields) == 2:
                told.append((fields["reason"], fields["message"]))
                fields = {}
        return told

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.story()]

    async def until(self, done: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Waits for something; the logs are in the error."""
        await asyncio.to_thread(wait_for, done, seconds, self.logs)

    async def until_execution(self, execution: str, seconds: float = SECONDS) -> dict[str, str]:
        await self.until(lambda: self.state.get("execution") == execution, seconds)
        return self.state

    async def until_told(self, reason: str, seconds: float = SECONDS) -> str:
        """The message of the first event of that reason."""
        await self.until(lambda: reason in self.reasons(), seconds)
        return next(message for told, message in self.story() if told == reason)

    async def until_resting(self) -> dict[str, str]:
        await self.until(lambda: self.state.get("protection") == "resting")
        return self.state

    async def buy(self) -> dict[str, str]:
        """Plays the day until the strategy holds its shares and the stop rests."""
        await self.sim.advance("09:20:05")
        await self.until_execution("BOUGHT")
        return await self.until_resting()

    def exit(self) -> None:
        """The trader wants out."""
        fields = {
            "id": "exit",
            "kind": "exit",
            "tradingDay": self.runner.day.session.trading_day,
            "expiry": str(2**53),
        }
        words = [word for field in fields.items() for word in field]
        key = redis_keys.strategy(self.runner.day.strategy.id, "commands")
        self.redis.run("XADD", key, "*", *words)

    async def pause(self, seconds: float = 0.3) -> None:
        """Real time for what takes some: answers, reconnections."""
        await asyncio.sleep(seconds)

    async def log_in_again(self) -> None:
        """What the log-in worker and the operator do: a new session in both Secrets."""
        session = session_json(await logged_in(self.sim, self.broker))
        for folder in (self.feed.folder, self.runner.folder):
            new = folder / "session.new"
            new.write_text(session)
            new.replace(folder / SESSION_FILE)

    async def fault(self, fault: str, **fields: Any) -> None:
        await self.sim.fault(self.broker, fault, **fields)

    async def orders(self) -> list[dict[str, Any]]:
        """The exchange's own truth."""
        return await self.sim.orders(self.broker)

    async def check_truth(self, *, bought: int = 10) -> None:
        """Nothing lost, nothing doubled: what the exchange says of all orders."""
        rows = await self.orders()
        buys = [row for row in rows if row["side"] == "BUY"]
        sells = [row for row in rows if row["side"] == "SELL"]
        assert sum(row["filled"] for row in buys) == bought, rows
        assert sum(row["filled"] for row in sells) == bought, rows
        assert len(buys) <= 1, rows
        assert not [row for row in rows if row["status"] in ("OPEN", "TRIGGER_PENDING")], rows

    def logs(self) -> str:
        told = "\n".join(f"{reason}: {message}" for reason, message in self.story())
        return f"{self.feed.log()[-2000:]}\n---\n{self.runner.log()[-4000:]}\n---\n{told}"


@asynccontextmanager
async def live_strategy(
    folder: Path, redis: RedisProcess, broker: str, **options: Any
) -> AsyncIterator[LiveStrategy]:
    """A rig whose runner is Ready at 09:00. `live` changes the assignment's Live, `day` the
    assignment, `sim` are more words for the simulator, `process` makes the runner's process; what
    is left is the strategy's.
    """
    live, day_fields = options.pop("live", {}), options.pop("day", {})
    words, process_of = options.pop("sim", ()), options.pop("process", RunnerProcess)
    async with simulator(brokers=(broker,), options=words) as sim:
        session = await logged_in(sim, broker)
        feed = FeedProcess(_folder(folder, "feed"))
        runner = process_of(_folder(folder, "runner"), redis, a_day())
        clock = day_fields.get("clock", "Feed")
        _write_feed(feed, sim, broker, redis, session, clock=clock)
        feed.start()
        try:
            facts = await _facts(redis, feed)
            assignment = a_day(
                a_strategy(**options),
                broker=broker,
                account_id=ACCOUNT,
                feed=ACCOUNT,
                tick_bands=(TickBand(0, facts.tick_size),),
                live=replace(Live(instrument=facts, base_url=sim.base_url(broker)), **live),
            )
            (runner.folder / SESSION_FILE).write_text(session_json(session))
            runner.assign(replace(assignment, **day_fields))
            runner.start()
            await asyncio.to_thread(runner.wait_ready)
            await sim.until_subscribed(broker, "NSE:YESBANK")
            yield LiveStrategy(broker=broker, sim=sim, redis=redis, feed=feed, runner=runner)
        finally:
            for process in (runner.process, feed.process):
                if process is not None and process.poll() is None:
                    process.terminate()
                    process.wait(timeout=15)


async def logged_in(sim: Simulator, broker: str) -> BrokerSession:
    """A session at the simulator, made as the log-in worker makes one."""
    kind = adapters.adapter(broker)
    login = kind.login(kind.endpoints(sim.base_url(broker), sim.feed_url(broker)))
    callback = {"request_token": await sim.zerodha_request_token()} if broker == "zerodha" else {}
    http = HttpClient()
    try:
        return await login.login(http, SECRETS[broker], callback=callback, now_us=step_begin_us())
    finally:
        await http.close()


def _write_feed(
    feed: FeedProcess,
    sim: Simulator,
    broker: str,
    redis: RedisProcess,
    session: BrokerSession,
    *,
    clock: Any,
) -> None:
    server = RedisServer(
        host=redis.host, port=redis.port, username=redis.username, password=redis.password
    )
    assignment = FeedAssignment(
        account_id=ACCOUNT,
        feed=ACCOUNT,
        broker=broker,
        clock=clock,
        base_url=sim.base_url(broker),
        feed_url=sim.feed_url(broker),
    )
    (feed.folder / FEED_FILE).write_text(feed_json(assignment))
    (feed.folder / REDIS_FILE).write_text(redis_json(state=server, ticks=server))
    (feed.folder / SESSION_FILE).write_text(session_json(session))
    redis.run("SADD", redis_keys.feed_instruments(ACCOUNT), "NSE:YESBANK")


async def _facts(redis: RedisProcess, feed: FeedProcess) -> Any:
    key = redis_keys.feed_facts(ACCOUNT)
    known: Callable[[], dict[str, str]] = lambda: hash_of(redis, key)  # noqa: E731
    await asyncio.to_thread(wait_for, lambda: "NSE:YESBANK" in known(), SECONDS, feed.log)
    return read_instrument(known()["NSE:YESBANK"])


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
