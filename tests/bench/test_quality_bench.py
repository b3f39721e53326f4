"""The harms of bench/quality.py do what they say, the same each time."""

import cv2
import numpy as np
import pytest
from dressform.quality import color


@pytest.fixture(scope="module")
def harms(bench):
    return bench("harms")


@pytest.fixture(scope="module")
def quality(bench):
    return bench("quality")


@pytest.fixture(scope="module")
def subject(harms):
    rows, columns = np.mgrid[:320, :240]
    picture = np.full((320, 240, 3), 225, np.uint8)
    garment = np.zeros((320, 240), bool)
    garment[70:250, 50:190] = True
    cloth = 110 + 40 * np.sin(columns / 9) + 12 * np.sin(rows * 1.1)
    picture[garment] = (cloth[..., None] * (0.6, 0.8, 1.0))[garment].astype(np.uint8)
    return harms.Subject("drawn", picture, garment, {})


def rng():
    return np.random.default_rng(1)


def test_a_veil_is_as_strong_as_it_says(harms, subject):
    done = harms.veil(0.2)(subject, rng()).picture.astype(float)
    slope, _ = np.polyfit(subject.picture.ravel().astype(float), done.ravel(), 1)
    assert slope == pytest.approx(0.8, abs=0.01)
    local = harms.veil(0.2, "garment")(subject, rng()).picture
    assert np.array_equal(local[:40], subject.picture[:40])


def test_a_leak_has_its_difference_and_its_area(harms, subject):
    case = harms.leak(3, 0.005)(subject, np.random.default_rng(4))
    outside = ~case.repainted
    assert case.where.sum() == pytest.approx(0.005 * outside.sum(), rel=0.05)
    assert not (case.where & case.repainted).any()
    labs = [color.to_lab(p)[case.where] for p in (case.picture, subject.picture)]
    found = np.median(color.ciede2000(*labs))
    assert 2 < found < 6  # with the change of all, of a half of the cases


def test_a_pushed_edge_moves_there_only(harms, subject):
    case = harms.pushed(6)(subject, rng())
    far = cv2.dilate(case.where.astype(np.uint8), np.ones((101, 101), np.uint8)) == 0
    assert np.array_equal(case.picture[far], subject.picture[far])
    assert (case.picture[case.where] != subject.picture[case.where]).any(-1).mean() > 0.5


def test_a_seam_of_nothing_changes_nothing(harms, subject):
    assert np.array_equal(harms.seam(0)(subject, rng()).picture, subject.picture)
    case = harms.seam(0.04)(subject, rng())
    assert np.array_equal(case.picture[~case.repainted], subject.picture[~case.repainted])
    assert (case.picture != subject.picture).any(-1)[case.repainted].mean() > 0.9


def test_nothing_is_left_over_where_there_was_no_mannequin(harms, subject):
    assert harms.left_over("neck")(subject, rng()) is None


def test_the_same_names_give_the_same_harm(quality, harms, subject):
    for name, row in quality.ROWS.items():
        first, second = (row.harm(subject, quality.generator("a", name)) for _ in range(2))
        if first is not None:
            assert np.array_equal(first.picture, second.picture)


def test_harmless_changes_keep_size_and_kind(harms, subject):
    for change in harms.harmless().values():
        done = change(subject.picture, rng())
        assert (done.shape, done.dtype) == (subject.picture.shape, np.uint8)


def test_a_bend_moves_no_pixel_farther_than_it_says(harms):
    ramp = np.tile(np.arange(240, dtype=np.uint8), (200, 1))[..., None].repeat(3, axis=2)
    away = np.abs(harms.bent(ramp, 4, rng()).astype(int) - ramp)[:, 10:-10]
    assert 1 < away.max() <= 5


def test_tiles_are_veiled_or_not_and_never_half(quality):
    where = np.zeros((96, 144), bool)
    where[:48, :72] = True  # one tile, and a half of the next
    found = np.full(where.shape, 0.3, np.float32)
    found[48:, :48] = np.nan  # cannot tell
    answers = quality.tile_answers(found, where)
    assert sorted(veiled for _, veiled in answers) == [False, False, False, True]
