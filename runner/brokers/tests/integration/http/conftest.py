"""Both event loops: services run on uvloop, tools and tests on the standard one."""

import asyncio

import uvloop


def pytest_asyncio_loop_factories(config, item):
    """Every asynchronous test of this folder on each."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}
