"""Generators of the files under `generated/` and `manifests/`: run by `make generate`."""
