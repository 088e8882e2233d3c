"""Sealed records: secrets that only the part they are meant for can read.

`seal` needs a public key; whoever seals cannot open. `open` needs the private key and the binding
(namespace, account, broker, purpose) under which a record was sealed; it is imported by the log-in
worker and the operator alone (.importlinter).
"""
