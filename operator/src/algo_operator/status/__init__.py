"""What a strategy's and an account's status, conditions and Events say. Pure."""
