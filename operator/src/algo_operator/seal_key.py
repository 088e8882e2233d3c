"""Publish the key to which the log-in worker seals sessions: the public half of the operator's."""

import asyncio
from typing import Any, Final, Never

import structlog
from algo_contract.envelope.keys import SEAL_KEYS, SESSION_PUBLIC, public_text

from algo_operator.context import Context
from algo_operator.errors import OperatorError
from algo_operator.kube.resources import CONFIG_MAPS

log: Any = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 30.0


async def keep_published(context: Context) -> Never:
    """Publish at the start and whenever the folder of keys has a newer one."""
    published, complaint = "", ""
    while True:
        keys = context.sessions.keys()
        text = public_text(keys.current.public) if keys is not None else ""
        try:
            if text and text != published:
                await publish(context, text)
                published = text
                log.info("seal_key_published", key=text)
        except OperatorError as error:
            if str(error) != complaint:
                log.warning("seal_key_not_published", error=str(error))
            complaint = str(error)
        await asyncio.sleep(_LOOK_SECONDS)


async def publish(context: Context, text: str) -> None:
    """Write the key into the chart's ConfigMap, beside the log-in worker's.

    Raises:
        NotFound: the chart has not made it.
    """
    data = {"data": {SESSION_PUBLIC: text}}
    await context.kube.patch(CONFIG_MAPS, context.settings.namespace, SEAL_KEYS, data)
