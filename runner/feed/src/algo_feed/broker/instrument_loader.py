"""The broker's instrument master: brought in as a stream, parsed beside the event loop."""

import asyncio
import codecs
import datetime as dt
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Final

from algo_brokers.errors import Unresolved
from algo_brokers.instruments import Instrument, InstrumentMaster
from algo_contract.messages.broker_session import BrokerSession
from algo_service.logging import get_logger

from algo_feed.broker.client import BrokerClient

log = get_logger(__name__)

PIECE_SECONDS: Final = 30.0
"""The longest wait for the next piece."""
CHECK_SECONDS: Final = 5.0
"""Between two looks at the calendar."""

RETRY_SECONDS: Final = 300.0
LEAST_PART: Final = 0.8
"""A master with fewer of the shares of the one before is cut off or broken, and is refused."""

Parse = Callable[[Iterator[str]], Iterator[Instrument]]


class InstrumentLoader:
    """The master in force: brought in at the start, and again for each day."""

    def __init__(
        self,
        download: Callable[[BrokerSession], AsyncIterator[bytes]],
        parse: Parse,
        *,
        client: BrokerClient[BrokerSession],
        day: Callable[[], dt.date | None],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Loads nothing yet.

        Args:
            download: the file in pieces.
            parse: its shares.
            client: where to ask for it.
            day: whose master is in force now, None while that is unknown.
            retry_seconds: after a master that was refused.
        """
        self.master: InstrumentMaster | None = None
        """None until the first is there; an old one stays until its successor is."""

        self.loaded: Final = asyncio.Event()
        """The first is there."""

        self._download: Final = download
        self._parse: Final = parse
        self._client: Final = client
        self._day: Final = day
        self._retry: Final = retry_seconds

    async def keep(self) -> None:
        """Brings in the master and keeps it the day's, forever."""
        held: dt.date | None = None
        while True:
            day = self._day()
            if self.master is None or (held is not None and day != held):
                loaded = await self._client.ask(self._load)
                if loaded is None:
                    continue
                if self.master is not None and len(loaded) < LEAST_PART * len(self.master):
                    log.warning("master_refused", shares=len(loaded), before=len(self.master))
                    await asyncio.sleep(self._retry)
                    continue
                self.master = loaded
                self.loaded.set()
                log.info("master_loaded", shares=len(loaded), day=str(day))
            held = day
            await asyncio.sleep(CHECK_SECONDS)

    async def _load(self, session: BrokerSession) -> InstrumentMaster:
        has_nse = False

        def parse(rows: Iterator[str]) -> Iterator[Instrument]:
            nonlocal has_nse
            for share in self._parse(rows):
                has_nse = has_nse or share.exchange == "NSE"
                yield share

        try:
            loaded = await load_instruments(self._download(session), parse)
        except TimeoutError as error:
            raise Unresolved("the instrument master stopped coming") from error
        except (LookupError, ValueError) as error:
            what = f"the instrument master is unreadable: {type(error).__name__}"
            raise Unresolved(what) from error
        if not has_nse:
            raise Unresolved("the instrument master holds no shares of NSE")
        return loaded


async def load_instruments(pieces: AsyncIterator[bytes], parse: Parse) -> InstrumentMaster:
    """The master from the pieces of its file. Holds a piece at a time.

    Parsing works in a thread, which asks the event loop for each piece: a hundred thousand rows
    take a second, and ticks come meanwhile. The thread is a daemon, so that it holds up no end.

    Raises:
        BrokerError: of the download.
        TimeoutError: a piece did not come in time.
    """
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[InstrumentMaster] = loop.create_future()

    def work() -> None:
        try:
            master = InstrumentMaster(parse(lines(_pulled(pieces, loop))))
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
            _hand_over(loop, partial(_fail, loaded, error))
        else:
            _hand_over(loop, partial(_finish, loaded, master))

    threading.Thread(target=work, name="master", daemon=True).start()
    return await loaded


def _pulled(pieces: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The pieces, for a thread."""

    async def next_piece() -> bytes | None:
        return await anext(pieces, None)

    while True:
        piece = asyncio.run_coroutine_threadsafe(next_piece(), loop).result(PIECE_SECONDS)
        if piece is None:
            return
        yield piece


def _hand_over(loop: asyncio.AbstractEventLoop, settle: Callable[[], None]) -> None:
    if not loop.is_closed():
        _ = loop.call_soon_threadsafe(settle)


def _finish(loaded: "asyncio.Future[InstrumentMaster]", master: InstrumentMaster) -> None:
    if not loaded.done():
        loaded.set_result(master)


def _fail(loaded: "asyncio.Future[InstrumentMaster]", error: BaseException) -> None:
    if not loaded.done():
        loaded.set_exception(error)


def lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """The lines of a text that comes in pieces, without their ends."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + decoder.decode(piece)).split("\n")
        for line in whole:
            yield line.removesuffix("\r")
    if rest := rest + decoder.decode(b"", final=True):
        yield rest
