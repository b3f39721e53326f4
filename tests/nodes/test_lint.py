"""The node Lint Photo as ComfyUI calls it."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="session")
def lint(nodes):
    from dressform.nodes.lint import LintPhoto

    return LintPhoto


@pytest.fixture(scope="session")
def batch(tensors):
    """A good photo and a blurred one, with their parsings."""
    import cv2
    from dressform.imaging.parsing import Parsing

    label_map = np.zeros((1200, 900), np.uint8)
    label_map[100:1100, 200:700] = 1
    photo = np.full((1200, 900, 3), 225, np.uint8)
    photo[label_map == 1] = (40, 60, 120)
    pictures = tensors.from_pictures([photo, cv2.GaussianBlur(photo, (0, 0), 6)])
    return pictures, [Parsing(label_map, confidence=0.95)] * 2


def test_one_photo_gives_its_own_report(lint, batch):
    image, parsing = batch
    grade, findings, score, ok, annotated, scores = lint.execute(
        image=image[:1], parsing=parsing[:1], least_grade="a"
    ).args
    assert grade == "A"
    assert findings.startswith("A: Nothing to object.")
    assert score == 1
    assert ok is True
    assert annotated.shape[1] > image.shape[1]
    assert annotated.shape[2] == image.shape[2]
    assert json.loads(scores)["grade"] == "A"


def test_batch_is_as_good_as_its_worst_photo(lint, batch):
    image, parsing = batch
    output = lint.execute(image=image, parsing=parsing, least_grade="c")
    grade, findings, score, ok, annotated, scores = output.args
    assert grade == "D"
    assert score < 1
    assert ok is False
    assert len(annotated) == 2
    assert [one["grade"] for one in json.loads(scores)] == ["A", "D"]
    assert output.ui["text"] == findings.split("\n\n")


def test_one_parsing_serves_a_batch(lint, batch):
    image, parsing = batch
    assert len(lint.execute(image=image, parsing=parsing[:1], least_grade="e").args[4]) == 2


def test_parsing_of_another_size_is_refused(lint, batch):
    image, parsing = batch
    with pytest.raises(ValueError, match="parsing must be 600x900 like image, got 1200x900"):
        lint.execute(image=image[:1, :600], parsing=parsing[:1], least_grade="c")
