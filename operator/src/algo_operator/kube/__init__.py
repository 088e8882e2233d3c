"""Access to the Kubernetes API as raw JSON."""
