"""The Kubernetes operator: one pod a strategy."""
