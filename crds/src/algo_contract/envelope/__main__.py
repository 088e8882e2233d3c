"""`python -m algo_contract.envelope`: the same as `algo-seal`."""

from algo_contract.envelope.cli import main

main()
