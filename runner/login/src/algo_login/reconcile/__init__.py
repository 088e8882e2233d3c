"""One idempotent pass over one account: observe, plan, apply. A second one writes nothing."""
