"""A cache of objects of one kind, never older than what this process has itself written."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from algo_kube.resources import Json

_GONE_KEPT: Final = 10_000
FOR_GOOD: Final = 2**63
"""The version of what is gone and cannot come back: no object has one as high."""


class ObjectName(NamedTuple):
    """Where an object is; cluster-scoped ones have an empty namespace."""

    namespace: str
    name: str


def name_of(body: Json) -> ObjectName:
    """An object's place."""
    meta = body["metadata"]
    return ObjectName(meta.get("namespace", ""), meta["name"])


def version_of(body: Json) -> int:
    """An object's resourceVersion; etcd's are numbers, and comparable."""
    text = body["metadata"].get("resourceVersion", "0")
    return int(text) if text.isdigit() else 0


class ObjectCache:
    """Objects by name. Answers to our own writes go in at once, so a pass never acts on less."""

    def __init__(self) -> None:
        """Begin empty."""
        self._bodies: dict[ObjectName, Json] = {}
        self._delivered: dict[str, int] = {}
        self._gone: dict[str, int] = {}

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._bodies)

    def __iter__(self) -> Iterator[ObjectName]:
        """All names, safe against changes meanwhile."""
        return iter(list(self._bodies))

    def values(self) -> list[Json]:
        """All objects."""
        return list(self._bodies.values())

    def get(self, name: ObjectName) -> Json | None:
        """The object of that name."""
        return self._bodies.get(name)

    def put(self, body: Json) -> bool:
        """Take an object in unless ours is as new; whether it changed anything."""
        uid = body["metadata"]["uid"]
        if uid in self._gone:
            if version_of(body) <= self._gone[uid]:
                return False
            del self._gone[uid]
        name, old = name_of(body), self._bodies.get(name_of(body))
        same = old is not None and old["metadata"]["uid"] == uid
        if old is not None and same and version_of(old) >= version_of(body):
            return False
        body["metadata"].pop("managedFields", None)
        self._bodies[name] = body
        return True

    def deliver(self, body: Json) -> bool:
        """Take in what a watch delivered; whether it changed anything."""
        uid = body["metadata"]["uid"]
        self._delivered[uid] = max(version_of(body), self._delivered.get(uid, 0))
        return self.put(body)

    def delivered(self, uid: str) -> int:
        """The newest version of an object that its watch has delivered."""
        return self._delivered.get(uid, 0)

    def remove(self, body: Json, *, at: int = 0) -> bool:
        """Forget an object, unless a newer one has taken its name; whether it was known.

        The answer to a write of ours may come after the news that the object is gone, so nothing
        as old as that news is taken in again. What is newer is: an object that left a selector
        may come back.

        Args:
            body: the object as last known.
            at: the version at which it was not there, when that is higher than its own.
        """
        meta, name = body["metadata"], name_of(body)
        self._delivered.pop(meta["uid"], None)
        self._gone[meta["uid"]] = max(version_of(body), at, self._gone.get(meta["uid"], 0))
        if len(self._gone) > _GONE_KEPT:
            del self._gone[next(iter(self._gone))]
        old = self._bodies.get(name)
        if old is None or old["metadata"]["uid"] != meta["uid"]:
            return False
        del self._bodies[name]
        return True
