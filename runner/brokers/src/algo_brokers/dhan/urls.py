"""Where Dhan is, and where a simulator of it is: DhanHQ v2 documents, dhanhq 2.3.0."""

from algo_brokers.urls import Endpoints


def endpoints(base_url: str | None, feed_url: str | None) -> Endpoints:
    """Dhan's own hosts, or all of its calls under one address and its sockets under another."""
    base = base_url.rstrip("/") if base_url else None
    feed = feed_url.rstrip("/") if feed_url else None
    return Endpoints(
        rest=f"{base}/v2" if base else "https://api.dhan.co/v2",
        login=base or "https://auth.dhan.co",
        master=f"{base or 'https://images.dhan.co'}/api-data/api-scrip-master.csv",
        market=feed or "wss://api-feed.dhan.co",
        orders=f"{feed}/order-updates" if feed else "wss://api-order-update.dhan.co",
    )
