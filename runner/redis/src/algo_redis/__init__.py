"""A small asyncio Redis client for processes that must stay small: docs/adr/0003.

`connection` (connect, pipelines, deadlines), `reconnect` (jittered backoff), `script` (EVALSHA),
`streams`, `ticks` (the tick reader), `errors`. It has no pool, no cluster routing, no Pub/Sub and
no TLS.
"""
