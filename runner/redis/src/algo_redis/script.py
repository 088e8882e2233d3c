"""Lua scripts by their hash, sent in full only to a server that does not know them yet."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from algo_redis.connection import Argument, Command, Connection, Reply
from algo_redis.errors import RedisRefused


@dataclass(frozen=True, slots=True)
class Script:
    """A script's source, and the SHA-1 by which servers know it."""

    source: str = field(repr=False)
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        """Computes the hash once."""
        digest = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)


def script_call(script: Script, keys: Sequence[str], args: Sequence[Argument] = ()) -> Command:
    """The EVALSHA command, for a pipeline; NOSCRIPT is then the caller's to handle."""
    return ("EVALSHA", script.sha, len(keys), *keys, *args)


async def run_script(
    connection: Connection,
    script: Script,
    *,
    keys: Sequence[str],
    args: Sequence[Argument] = (),
    deadline: float | None = None,
) -> Reply:
    """A script's reply; where the server does not know the script it is sent in full, once.

    A script refuses by `return redis.error_reply("FENCED why")`: RedisRefused with code FENCED.

    Raises:
        RedisUnavailable: whether the script ran is unknown.
        RedisRefused: the script or the server refused.
    """
    try:
        return await connection.call(*script_call(script, keys, args), deadline=deadline)
    except RedisRefused as error:
        if error.code != "NOSCRIPT":
            raise
    command = ("EVAL", script.source, len(keys), *keys, *args)
    return await connection.call(*command, deadline=deadline)
