"""One strategy: observe, plan, apply."""
