from algo_contract.brokers import LIVE_BROKERS
from algo_brokers.adapters import adapter


def test_limits__hours__are_counted_by_dhan_alone():
    limits = {broker: adapter(broker).capabilities.limits for broker in LIVE_BROKERS}
    assert limits["zerodha"].orders_per_hour is None
    assert limits["dhan"].orders_per_hour == 1000
