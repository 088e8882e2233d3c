"""Which instruments go over which WebSocket, within the broker's limits."""

from collections.abc import Iterable, Sequence

from algo_brokers.instruments import Instrument


def sharded(
    wanted: Iterable[Instrument],
    before: Sequence[frozenset[Instrument]],
    *,
    sockets: int,
    limit: int,
) -> tuple[list[frozenset[Instrument]], list[Instrument]]:
    """The instruments of each socket, and those that none has room for.

    What is on a socket stays there; what is new fills the sockets in turn, so that a second one
    is opened only when the first is full.
    """
    left = {(i.exchange, i.symbol): i for i in wanted}
    left = dict(sorted(left.items()))
    shards: list[frozenset[Instrument]] = []
    for shard in before:
        kept = frozenset(i for i in shard if left.get((i.exchange, i.symbol)) == i)
        for instrument in kept:
            del left[instrument.exchange, instrument.symbol]
        shards.append(kept)
    new = list(left.values())
    for number in range(sockets):
        if number == len(shards):
            if not new:
                break
            shards.append(frozenset())
        room = max(0, limit - len(shards[number]))
        shards[number] |= frozenset(new[:room])
        new = new[room:]
    return shards, new
