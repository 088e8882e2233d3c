"""The contract: every name, number and shape that two parts of the product must agree on.

Nothing here does I/O. `v1alpha1` (the Pydantic models) is the only part that loads Pydantic;
a runner's process uses the rest.
"""
