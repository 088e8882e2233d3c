"""Events' names: the order in which `kubectl describe` tells what happened within one second."""

from algo_kube.events import name_suffix


def test_names__are_in_the_order_of_moments():
    moments = ["1732209600999-0", "1732209601000-0", "1732209601000-1", "1732209601000-12"]

    marks = [name_suffix("uid", moment, reason="") for moment in moments]

    assert marks == sorted(marks)
    assert len({len(mark) for mark in marks}) == 1


def test_names__differ_by_object_and_reason():
    same = {name_suffix("uid", "5-0", reason="A"), name_suffix("uid", "5-0", reason="A")}
    others = {name_suffix("other", "5-0", reason="A"), name_suffix("uid", "5-0", reason="B")}

    assert len(same) == 1
    assert len(same | others) == 3
