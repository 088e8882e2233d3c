"""One account's feed pod: observe, plan, apply."""
