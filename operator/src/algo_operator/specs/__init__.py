"""Pure builders of Kubernetes objects and of what a runner is handed."""
