from algo_operator.watch.objects import Name, Objects


def body(version: int, uid: str = "u1", name: str = "m1") -> dict:
    return {
        "metadata": {"namespace": "a", "name": name, "uid": uid, "resourceVersion": str(version)}
    }


def test_older_news_never_replaces_newer():
    objects = Objects()
    assert objects.put(body(5))
    assert not objects.deliver(body(4))
    assert not objects.deliver(body(5))
    assert objects.deliver(body(6))
    assert objects.delivered("u1") == 6


def test_an_answer_that_comes_after_the_end_brings_nothing_back():
    objects = Objects()
    objects.deliver(body(5))
    assert objects.remove(body(6))

    assert not objects.put(body(6))
    assert objects.get(Name("a", "m1")) is None


def test_the_end_of_an_old_object_leaves_the_new_one_of_its_name():
    objects = Objects()
    objects.put(body(5))
    objects.put(body(7, uid="u2"))

    assert not objects.remove(body(6))
    assert objects.get(Name("a", "m1"))["metadata"]["uid"] == "u2"
