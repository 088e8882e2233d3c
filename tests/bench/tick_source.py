"""Writes 1,000 ticks a second into a stream, one every tenth of a second at a price that is told.

`python tick_source.py HOST PORT USER PASSWORD STREAM`: each line on standard input makes the next
tick a low one; prints the nanoseconds right before it was written.
"""

import os
import select
import sys
import time

import redis

HIGH, LOW = 9500, 9290


def main() -> None:
    """Runs until standard input ends."""
    host, port, user, password, stream = sys.argv[1:]
    server = redis.Redis(host=host, port=int(port), username=user, password=password)
    number, due = 0, time.monotonic()
    while True:
        number += 1
        due += 0.001
        time.sleep(max(0.0, due - time.monotonic()))
        is_asked = bool(select.select([0], [], [], 0)[0])
        if is_asked and not os.read(0, 64):
            return
        now = time.time_ns()
        fields = {"p": LOW if is_asked else HIGH, "q": 1, "v": number}
        fields |= {"t": now // 1000, "r": now // 1000}
        server.xadd(stream, fields, maxlen=10_000, approximate=True)
        if is_asked:
            print(now, flush=True)


if __name__ == "__main__":
    main()
