"""Typed ways into an object's JSON, where what is absent reads as empty."""

from algo_kube.resources import Json


def section(body: Json, name: str) -> Json:
    """A part of an object: spec, status, metadata."""
    return body.get(name) or {}


def labels(body: Json) -> dict[str, str]:
    """An object's labels."""
    return body["metadata"].get("labels") or {}


def annotations(body: Json) -> dict[str, str]:
    """An object's annotations."""
    return body["metadata"].get("annotations") or {}


def rows(part: Json, name: str) -> list[Json]:
    """A list of objects in a part."""
    return part.get(name) or []


def owners(body: Json) -> list[Json]:
    """An object's owner references."""
    return body["metadata"].get("ownerReferences") or []


def finalizers(body: Json) -> list[str]:
    """An object's finalizers."""
    return body["metadata"].get("finalizers") or []
