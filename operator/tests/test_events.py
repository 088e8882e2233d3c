"""Events' names: the order in which `kubectl describe` tells what happened within one second."""

from algo_operator.events import name_mark


def test_names__are_in_the_order_of_moments():
    moments = ["1732209600999-0", "1732209601000-0", "1732209601000-1", "1732209601000-12"]

    marks = [name_mark("uid", moment, reason="") for moment in moments]

    assert marks == sorted(marks)
    assert len({len(mark) for mark in marks}) == 1


def test_names__differ_by_object_and_reason():
    same = {name_mark("uid", "5-0", reason="A"), name_mark("uid", "5-0", reason="A")}
    others = {name_mark("other", "5-0", reason="A"), name_mark("uid", "5-0", reason="B")}

    assert len(same) == 1
    assert len(same | others) == 3
