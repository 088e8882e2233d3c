"""The fixtures that all tests share; and the standard library's `operator` kept from pytest.

In importlib mode pytest imports a test's folders as packages and re-imports a parent that has no
`__path__` (pytest 9.2, `_import_module_using_spec`): operator/tests would take the place of the
standard module and break every later `from operator import ...`.
"""

import operator

operator.__path__ = []  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]

pytest_plugins = ["support.servers.redis_fixtures"]
