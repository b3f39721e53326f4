"""Parsing of drawn mannequin photos, and of input that is no photo."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from dressform.imaging import labels, parse, pictures
from dressform.imaging.parser import assessment, doubts
from dressform.imaging.parsing import KINDS, REGIONS, VIEWS

SAMPLES = Path(__file__).parents[2] / "samples"
GARMENT_RED = (170, 30, 45)


def drawn_mannequin(height=512, width=384, skin=(205, 190, 175)):
    """A headless figure in a red dress before a light wall; returns the photo and its labels."""
    truth = np.zeros((height, width), np.uint8)
    x, unit = width // 2, height / 512

    def at(*points):
        return np.array([[x + dx * unit, y * unit] for dx, y in points], np.int32)

    mannequin = [at((-16, 60), (16, 60), (16, 110), (-16, 110))]
    mannequin += [at((s * 50, 110), (s * 68, 125), (s * 100, 290), (s * 88, 290)) for s in (-1, 1)]
    mannequin += [at((s * 6, 330), (s * 30, 330), (s * 26, 480), (s * 8, 480)) for s in (-1, 1)]
    cv2.fillPoly(truth, mannequin, labels.MANNEQUIN)
    dress = at((-55, 102), (55, 102), (45, 220), (75, 350), (-75, 350), (-45, 220))
    cv2.fillPoly(truth, [dress], labels.GARMENT)
    photo = np.full((height, width, 3), (232, 232, 235), np.float32)
    photo[truth == labels.MANNEQUIN] = skin
    photo[truth == labels.GARMENT] = GARMENT_RED
    shade = 1 + 0.12 * np.sin(np.arange(width) / 6)[None, :, None]
    photo = np.where((truth > 0)[..., None], photo * shade, photo)
    photo += np.random.default_rng(7).normal(0, 1.5, photo.shape)
    return np.clip(photo, 0, 255).astype(np.uint8), truth


def overlap(first, second):
    return (first & second).sum() / max(1, (first | second).sum())


@pytest.fixture(scope="module")
def parsed():
    photo, truth = drawn_mannequin()
    return photo, truth, parse.parse(photo)


def test_parse_finds_a_red_dress_on_a_pale_mannequin(parsed):
    _, truth, parsing = parsed
    assert overlap(parsing.garment, truth == labels.GARMENT) > 0.9


@pytest.mark.parametrize("name", ["headless", "full", "armless", "legs"])
def test_parse_finds_garment_and_mannequin_of_a_photo(name):
    parsing = parse.parse(pictures.open_picture(SAMPLES / name / "photo.jpg"))
    truth = cv2.imread(str(SAMPLES / name / "labels.png"), cv2.IMREAD_UNCHANGED)
    assert overlap(parsing.garment, truth == labels.GARMENT) > 0.9
    body = np.isin(truth, (labels.MANNEQUIN, labels.SUPPORT))
    assert overlap(parsing.mannequin | parsing.support, body) > 0.75


def test_parse_says_what_it_says_in_the_common_vocabulary(parsed):
    photo, _, parsing = parsed
    assert parsing.size == photo.shape[:2]
    assert parsing.label_map.dtype == np.uint8
    assert parsing.kind in KINDS
    assert parsing.region in REGIONS
    assert parsing.view in VIEWS
    assert 0 < parsing.confidence <= 1


def test_parse_gives_the_same_answer_twice_and_leaves_its_argument_alone(parsed):
    photo, _, parsing = parsed
    before = photo.copy()
    assert np.array_equal(parse.parse(photo).label_map, parsing.label_map)
    assert np.array_equal(photo, before)


def test_parse_of_a_larger_photo_agrees_with_the_smaller_one():
    photo, truth = drawn_mannequin(1400, 1050)
    parsing = parse.parse(photo)
    assert parsing.size == (1400, 1050)
    assert overlap(parsing.garment, truth == labels.GARMENT) > 0.9


def test_parse_of_an_empty_wall_finds_no_garment_and_says_so():
    parsing = parse.parse(np.full((300, 200, 3), 180, np.uint8))
    assert not parsing.garment.any()
    assert parsing.confidence == 0
    assert parsing.warnings[0].startswith("No garment was found.")


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (23, 23), (25, 31), (30, 2000), (300, 7)])
@pytest.mark.parametrize("content", ["black", "white", "noise", "box"])
def test_parse_never_fails_on_a_valid_picture(size, content):
    image = np.full((*size, 3), 255 if content == "white" else 0, np.uint8)
    if content == "noise":
        image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    if content == "box":
        image[size[0] // 4 : size[0] * 3 // 4, size[1] // 4 : size[1] * 3 // 4] = GARMENT_RED
    parsing = parse.parse(image)
    assert parsing.size == size
    assert parsing.garment.any() or (parsing.confidence == 0 and parsing.warnings)


def test_parse_of_a_very_small_picture_asks_for_a_larger_one():
    parsing = parse.parse(np.zeros((1, 1, 3), np.uint8))
    assert parsing.warnings[0].startswith("The picture is very small (1x1)")


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ([[1, 2]], TypeError, "image must be a numpy array, got list"),
        (np.zeros((4, 4), np.uint8), ValueError, "image must be height x width x 3, got 4x4"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, "got 4x4x4"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "got 0x4x3"),
        (np.zeros((4, 4, 3), np.float32), TypeError, "image must be uint8, got float32"),
    ],
    ids=["list", "gray", "alpha", "empty", "float"],
)
def test_parse_refuses_what_is_no_photo(image, error, message):
    with pytest.raises(error, match=message):
        parse.parse(image)


def told(parsing, sentence):
    assert sentence.endswith(".")
    return sentence in parsing.warnings


def wall_with_boxes(*boxes, wall=(225, 225, 228), color=GARMENT_RED, size=(480, 360)):
    """Boxes (top, left, bottom, right) with folds before a plain wall."""
    photo = np.full((*size, 3), wall, np.float32)
    folds = 1 + 0.1 * np.sin(np.arange(size[1]) / 7)[None, :, None]
    for top, left, bottom, right in boxes:
        photo[top:bottom, left:right] = color * folds[:, left:right]
    photo += np.random.default_rng(3).normal(0, 1.2, photo.shape)
    return np.clip(photo, 0, 255).astype(np.uint8)


def test_parse_keeps_the_larger_of_two_mannequins_and_says_so():
    photo, truth = drawn_mannequin()
    small, beside = drawn_mannequin(384, 288)
    both = np.full((512, 672, 3), photo[0, 0], np.uint8)
    both[:, :384] = photo
    both[100:484, 384:] = small
    parsing = parse.parse(both)
    assert told(parsing, doubts.SEVERAL)
    assert overlap(parsing.garment[:, :384], truth == labels.GARMENT) > 0.9
    assert not parsing.garment[100:484, 384:][beside == labels.GARMENT].any()


def test_parse_of_one_mannequin_does_not_warn_of_several(parsed):
    assert not told(parsed[2], doubts.SEVERAL)
    assert not told(parsed[2], doubts.TWO_GARMENTS)


def test_parse_warns_of_a_small_picture_and_trusts_it_less():
    large, small = (parse.parse(drawn_mannequin(h, h * 3 // 4)[0]) for h in (512, 128))
    assert told(small, doubts.VERY_SMALL.format(height=128, width=96))
    assert small.confidence < large.confidence


def test_parse_warns_of_a_blown_out_garment():
    photo = wall_with_boxes((120, 120, 360, 240), wall=(120, 130, 140), color=(300, 300, 300))
    assert told(parse.parse(photo), doubts.BLOWN)


def test_parse_tells_a_person_from_a_mannequin():
    person = parse.parse(pictures.open_picture(SAMPLES / "legs" / "model.jpg"))
    assert person.kind == "person"
    assert told(person, doubts.PERSON)
    mannequin = parse.parse(pictures.open_picture(SAMPLES / "full" / "photo.jpg"))
    assert mannequin.kind == "full"
    assert not told(mannequin, doubts.PERSON)


def test_parse_leaves_no_mannequin_where_the_kind_has_none(monkeypatch):
    photo, _ = drawn_mannequin()
    for kind in assessment.BARE:
        monkeypatch.setattr(assessment, "hung_or_laid", lambda *_found, kind=kind: kind)
        parsing = parse.parse(photo)
        assert parsing.kind == kind
        assert not parsing.mannequin.any()
        assert kind == "hanger" or not parsing.support.any()
