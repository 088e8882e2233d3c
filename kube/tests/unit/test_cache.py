import pytest
from algo_kube.resources import PODS
from algo_kube.cache import FOR_GOOD, ObjectName, ObjectCache
from algo_kube.watcher import Watch, _list, _take


def body(version: int, uid: str = "u1", name: str = "m1") -> dict:
    return {
        "metadata": {"namespace": "a", "name": name, "uid": uid, "resourceVersion": str(version)}
    }


def test_older_news_never_replaces_newer():
    objects = ObjectCache()
    assert objects.put(body(5))
    assert not objects.deliver(body(4))
    assert not objects.deliver(body(5))
    assert objects.deliver(body(6))
    assert objects.delivered("u1") == 6


def test_an_answer_that_comes_after_the_end_brings_nothing_back():
    objects = ObjectCache()
    objects.deliver(body(5))
    assert objects.remove(body(6))

    assert not objects.put(body(6))
    assert objects.get(ObjectName("a", "m1")) is None


def test_the_end_of_an_old_object_leaves_the_new_one_of_its_name():
    objects = ObjectCache()
    objects.put(body(5))
    objects.put(body(7, uid="u2"))

    assert not objects.remove(body(6))
    assert objects.get(ObjectName("a", "m1"))["metadata"]["uid"] == "u2"


def test_what_left_a_selector_may_come_back():
    objects = ObjectCache()
    objects.deliver(body(5))
    objects.remove(body(6))

    assert objects.deliver(body(7))
    assert objects.get(ObjectName("a", "m1")) is not None


def test_what_is_gone_for_good_never_comes_back():
    objects = ObjectCache()
    objects.put(body(5))
    objects.remove(body(5), at=FOR_GOOD)

    assert not objects.put(body(9))


class Lists:
    """An API server that answers a list; meanwhile a worker makes a pod."""

    def __init__(self, objects: ObjectCache, version: int, *items: dict) -> None:
        self.objects, self.version, self.items = objects, version, items
        self.made: list[dict] = []

    async def list_pages(self, resource, *, selector):
        yield {"metadata": {"resourceVersion": str(self.version)}, "items": list(self.items)}
        for made in self.made:
            self.objects.put(made)


@pytest.fixture
def relisted():
    objects, gone = ObjectCache(), []
    kube = Lists(objects, 10)
    watch = Watch(
        kube=kube,
        resource=PODS,
        objects=objects,
        changed=lambda found, is_gone: gone.append(found["metadata"]["name"]) if is_gone else None,
    )
    return watch, kube, gone


async def test_a_new_list_forgets_only_what_is_older_than_itself(relisted):
    watch, kube, gone = relisted
    watch.objects.put(body(8, "u-old", "old"))
    kube.made.append(body(11, "u-new", "new"))

    assert await _list(watch) == "10"

    assert gone == ["old"]
    assert watch.objects.get(ObjectName("a", "new")) is not None
    _take(watch, {"type": "MODIFIED", "object": body(12, "u-new", "new")})
    assert watch.objects.get(ObjectName("a", "new"))["metadata"]["resourceVersion"] == "12"


async def test_a_label_taken_off_and_set_again_brings_the_object_back(relisted):
    watch, _, gone = relisted
    _take(watch, {"type": "ADDED", "object": body(11)})
    _take(watch, {"type": "DELETED", "object": body(12)})
    assert watch.objects.get(ObjectName("a", "m1")) is None
    assert not watch.objects.put(body(12)), "an answer of before"

    _take(watch, {"type": "ADDED", "object": body(13)})

    assert watch.objects.get(ObjectName("a", "m1")) is not None
    assert gone == ["m1"]
