"""Redis users of runners and feeds. The only place that may ACL SETUSER: who may do that is root.

Users vanish when Redis restarts without its aclfile, so what was granted is remembered together
with the server's run id; after a restart every grant is made again.
"""

import asyncio
from typing import Any, Final, Never

from algo_kube.errors import ControllerError
from algo_service.logging import get_logger

from algo_operator.redis.clients import RedisClients, redis_errors
from algo_operator.specs.redis_rules import fingerprint

log = get_logger(__name__)

_SAVE_SECONDS: Final = 1.0


class RedisUsers:
    """What was granted, to whom, on which incarnation of the servers."""

    def __init__(self, links: RedisClients) -> None:
        """Remember nothing yet: after a start every user is asserted once."""
        self._links = links
        self._granted: dict[str, str] = {}
        self._unsaved = asyncio.Event()
        self._run_ids: dict[str, str] = {}

    def is_current(self, user: str, rules: list[str]) -> bool:
        """Whether the user has exactly these rights on both servers."""
        return self._granted.get(user) == fingerprint(rules)

    async def grant(self, user: str, rules: list[str], *, only: str = "") -> None:
        """Make the user, or change it; the change is atomic and connections stay.

        Args:
            user: its name.
            rules: the arguments of ACL SETUSER.
            only: one server's name, where the user is needed on that alone.
        """
        for name, server in self._links.servers:
            if only not in {"", name}:
                continue
            with redis_errors(name):
                await server.execute_command("ACL", "SETUSER", user, *rules)
        self._granted[user] = fingerprint(rules)
        self._unsaved.set()

    async def revoke(self, user: str) -> None:
        """Remove the user and cut its connections."""
        self._granted.pop(user, None)
        for name, server in self._links.servers:
            with redis_errors(name):
                await server.execute_command("ACL", "DELUSER", user)
        self._unsaved.set()

    async def users(self) -> set[str]:
        """All users of runners and feeds on either server."""
        found: set[str] = set()
        for name, server in self._links.servers:
            with redis_errors(name):
                found.update(await server.execute_command("ACL", "USERS"))
        return {user for user in found if user.startswith(("str_", "brk_"))}

    async def restarted(self) -> bool:
        """Whether a server has restarted since last asked; then nothing counts as granted."""
        found: dict[str, str] = {}
        for name, server in self._links.servers:
            with redis_errors(name):
                facts: dict[str, Any] = await server.info("server")
            found[name] = str(facts.get("run_id"))
        changed = any(self._run_ids.get(name, run_id) != run_id for name, run_id in found.items())
        self._run_ids = found
        if changed:
            self._granted.clear()
            log.warning("redis_restarted")
        return changed

    async def keep_saved(self) -> Never:
        """Write changed users to the servers' aclfiles, at most once a second."""
        while True:
            await self._unsaved.wait()
            await asyncio.sleep(_SAVE_SECONDS)
            self._unsaved.clear()
            await self.save()

    async def save(self) -> None:
        """Write the users to the aclfiles; a server without one (tests) keeps them in memory."""
        for name, server in self._links.servers:
            try:
                with redis_errors(name):
                    await server.execute_command("ACL", "SAVE")
            except ControllerError as error:
                if "aclfile" not in str(error).lower().replace(" ", ""):
                    self._unsaved.set()
                    log.warning("redis_users_not_saved", server=name, error=str(error))
