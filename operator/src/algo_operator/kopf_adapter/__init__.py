"""The one place that imports Kopf."""
