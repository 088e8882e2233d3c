"""One idempotent pass per object: observe, validate, plan, apply."""
