"""A function is not computed again for what holds the same."""

import numpy as np
import pytest
from dressform.inference.recall import Recall
from PIL import Image

pytestmark = pytest.mark.usefixtures("diffusers")


def counted(kept=4):
    calls = []
    return Recall(lambda *args, **options: calls.append(1) or len(calls), kept), calls


def test_equal_arguments_give_the_same_result():
    import torch

    recall, calls = counted()
    for _ in range(2):
        recall("a", None, 1, tensor=torch.ones(2, dtype=torch.bfloat16), size=(1, 2.5))
        recall([Image.new("L", (2, 2), 7), np.arange(3)], device=torch.device("cpu"))
    assert len(calls) == 2


def test_whatever_differs_is_computed():
    import torch

    recall, _ = counted(kept=99)
    values = [
        ("a", "b"),
        ("ab",),
        (["a"], "b"),
        (["a", "b"],),
        ("1",),
        (1,),
        (1.0,),
        (True,),
        (None,),
        (torch.zeros(4),),
        (torch.zeros(2, 2),),
        (torch.zeros(4, dtype=torch.int32),),
        (np.zeros(4, np.float32),),
        (Image.new("L", (2, 2)),),
        (Image.new("L", (4, 1)),),
    ]
    for number, args in enumerate(values, 1):
        assert recall(*args) == number
    assert recall("a", b="b") == len(values) + 1


def test_the_result_used_longest_ago_goes_first():
    recall, calls = counted(kept=2)
    for word in "abac":
        recall(word)
    assert recall("a") == 1
    assert recall("b") == 4
    assert len(calls) == 4


def test_what_it_does_not_know_is_computed_every_time():
    recall, calls = counted()
    for _ in range(2):
        recall(object())
    assert len(calls) == 2


def test_after_forgetting_everything_is_computed():
    recall, calls = counted()
    recall("a")
    recall.forget()
    recall("a")
    assert len(calls) == 2
