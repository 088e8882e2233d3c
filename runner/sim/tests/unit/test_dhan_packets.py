"""Every packet keeps its size and its prices, whatever the day brings."""

import struct

from algo_sim.dhan import packets
from algo_sim.dhan.packets import Level, Picture
from hypothesis import given
from hypothesis import strategies as st

counts = st.integers(min_value=0, max_value=1 << 40)
prices = st.integers(min_value=0, max_value=100_000_00)
levels = st.builds(
    Level,
    bid_quantity=counts,
    ask_quantity=counts,
    bid_orders=counts,
    ask_orders=counts,
    bid=prices,
    ask=prices,
)
pictures = st.builds(
    Picture,
    segment=st.sampled_from((1, 4)),
    security_id=st.integers(min_value=1, max_value=(1 << 32) - 1),
    last=prices,
    last_quantity=counts,
    traded_at=st.integers(min_value=0, max_value=(1 << 32) - 1),
    average=prices,
    volume=counts,
    total_sell=counts,
    total_buy=counts,
    open=prices,
    high=prices,
    low=prices,
    close=prices,
    levels=st.lists(levels, min_size=5, max_size=5),
)


@given(pictures)
def test_packets__any_day__their_documented_sizes(picture: Picture) -> None:
    sizes = {
        packets.ticker: (2, 16),
        packets.previous_close: (6, 16),
        packets.open_interest: (5, 12),
        packets.quote: (4, 50),
        packets.full: (8, 162),
    }
    for make, (code, size) in sizes.items():
        packet = make(picture)
        header = struct.unpack_from("<BHBI", packet)
        assert header == (code, size, picture.segment, picture.security_id)
        assert len(packet) == size


@given(pictures)
def test_packets__prices_to_a_lakh__nearest_paisa_is_theirs(picture: Picture) -> None:
    ticker, full = packets.ticker(picture), packets.full(picture)
    assert round(struct.unpack_from("<f", ticker, 8)[0] * 100) == picture.last
    ohlc = [round(price * 100) for price in struct.unpack_from("<ffff", full, 46)]
    assert ohlc == [picture.open, picture.close, picture.high, picture.low]
    for number, level in enumerate(picture.levels):
        bid, ask = struct.unpack_from("<ff", full, 62 + 20 * number + 12)
        assert (round(bid * 100), round(ask * 100)) == (level.bid, level.ask)


def test_disconnect_and_status__their_documented_sizes() -> None:
    assert struct.unpack("<BHBIH", packets.disconnect(805)) == (50, 10, 0, 0, 805)
    assert struct.unpack("<BHBI", packets.status(1)) == (7, 8, 1, 0)
