"""The process in a strategy's pod (`run`), and replay on recorded ticks (`replay`).

Everything that `run` loads stays in memory for a trading day, once a strategy: it imports no
Pydantic, no YAML and no argument parser. `replay` loads them when called.
"""
