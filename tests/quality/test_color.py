import numpy as np
import pytest
from dressform.quality import color

# Sharma, Wu, Dalal 2005, table 1: L a b, L a b, difference.
PUBLISHED = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""
PAIRS = np.array([line.split() for line in PUBLISHED.split("\n") if line], float)


@pytest.mark.parametrize("pair", PAIRS, ids=range(1, len(PAIRS) + 1))
def test_ciede2000_agrees_with_the_published_pairs(pair):
    assert color.ciede2000(pair[:3], pair[3:6]) == pytest.approx(pair[6], abs=5e-5)
    assert color.ciede2000(pair[3:6], pair[:3]) == pytest.approx(pair[6], abs=5e-5)


def test_all_published_pairs_are_here():
    assert len(PAIRS) == 34


def test_ciede2000_takes_whole_pictures_and_finds_no_difference_in_equals():
    lab = np.random.default_rng(0).uniform((0, -80, -80), (100, 80, 80), (4, 5, 3))
    assert color.ciede2000(lab, lab) == pytest.approx(np.zeros((4, 5)), abs=1e-9)


def test_luma_of_white_is_one_and_of_green_the_standard_weight():
    picture = np.uint8([[[255, 255, 255], [0, 255, 0], [0, 0, 0]]])
    assert color.luma(picture)[0] == pytest.approx([1, 0.7152, 0], abs=1e-5)


def test_an_unchanged_garment_has_no_shift_even_when_moved_and_scaled(source, parsing, damage):
    moved = color.measure(
        damage.move(source, 9), source, damage.move(parsing.garment, 9), parsing.garment
    )
    scaled = color.measure(
        damage.shrink(source, 0.7),
        source,
        damage.shrink_mask(parsing.garment, 0.7),
        parsing.garment,
    )
    assert moved.value == pytest.approx(0, abs=0.1)
    assert scaled.value < 1


def test_a_colour_cast_on_the_garment_alone_is_found_with_its_direction(source, parsing):
    warm = source.copy()
    warm[parsing.garment] = np.clip(warm[parsing.garment] * np.float32((1.3, 1, 0.8)), 0, 255)
    found = color.measure(warm, source, parsing.garment, parsing.garment, aligned=True)
    assert found.value > 5
    assert found.details["chroma_shift"] < 0  # a blue shirt turns grayer
    assert np.nanmedian(found.local) > 3
    assert np.isnan(found.local[~parsing.garment]).all()


def test_a_cast_on_the_wall_is_not_the_garments(source, parsing):
    picture = source.copy()
    picture[~parsing.garment] = (255, 120, 120)
    assert color.measure(picture, source, parsing.garment, parsing.garment).value == 0


def test_a_garment_of_a_few_pixels_is_unmeasurable(source, parsing):
    speck = np.zeros_like(parsing.garment)
    speck[100:105, 100:105] = True
    found = color.measure(source, source, speck, parsing.garment)
    assert found.value is None
    assert "400 pixels" in found.reason
