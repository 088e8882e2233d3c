"""Publish the key to which the log-in worker seals sessions: the public half of the operator's."""

import asyncio
from typing import Final, Never

from algo_contract.envelope.keys import SEAL_KEYS, SESSION_PUBLIC, public_text
from algo_kube.errors import ControllerError
from algo_kube.fields import section
from algo_kube.resources import CONFIG_MAPS
from algo_service.logging import get_logger

from algo_operator import metrics
from algo_operator.context import Context

log = get_logger(__name__)

_LOOK_SECONDS: Final = 30.0


async def keep_published(context: Context) -> Never:
    """Keep `session.pub` ours: what is sealed to a key that a stranger wrote there he can read."""
    complaint = ""
    while True:
        try:
            await _publish(context)
            complaint = ""
        except ControllerError as error:
            if str(error) != complaint:
                log.warning("seal_key_not_published", error=str(error))
            complaint = str(error)
        await asyncio.sleep(_LOOK_SECONDS)


async def _publish(context: Context) -> None:
    """Write the key into the chart's ConfigMap, beside the log-in worker's, unless it is there.

    Raises:
        NotFound: the chart has not made it.
    """
    keys = context.sessions.keys()
    if keys is None:
        return
    own, namespace = public_text(keys.current.public), context.settings.namespace
    body = await context.kube.get(CONFIG_MAPS, namespace, SEAL_KEYS)
    there = str(section(body, "data").get(SESSION_PUBLIC) or "").strip()
    if there == own:
        return
    if there and there not in {public_text(key.public) for key in keys.by_id.values()}:
        metrics.FOREIGN_SEAL_KEYS.inc()
        log.error("foreign_session_key_replaced")
    await context.kube.patch(CONFIG_MAPS, namespace, SEAL_KEYS, {"data": {SESSION_PUBLIC: own}})
    log.info("seal_key_published", key=own)
