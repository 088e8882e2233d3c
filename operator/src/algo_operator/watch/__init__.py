"""What the operator knows of the cluster: caches, filled by watches."""
