from algo_brokers.kinds import LIVE, kind


def test_limits__hours__are_counted_by_dhan_alone():
    limits = {broker: kind(broker).capabilities.limits for broker in LIVE}
    assert limits["zerodha"].orders_per_hour is None
    assert limits["dhan"].orders_per_hour == 1000
