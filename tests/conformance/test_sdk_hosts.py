"""A host that a scenario forgets to replace must fail the test, not be reached."""

import pytest

from support.servers.sdk_driver import Raised, sdk

HOST = "api.invalid"


async def test_sdk__a_host_that_is_not_the_simulator__fails_the_scenario(tmp_path):
    with pytest.raises(AssertionError, match=HOST):
        await ask_profile(f"http://{HOST}", tmp_path)


async def ask_profile(root, folder):
    async with sdk("zerodha", "zerodha_rest", root, "k", folder=folder) as driver:
        with pytest.raises(Raised, match="ConnectionError"):
            await driver.call("profile")
