import numpy as np
import pytest
from dressform.quality import veil


def measured(result, source, parsing, **options):
    return veil.measure(result, source, parsing.garment, parsing.garment, **options)


@pytest.mark.parametrize("strength", [0.05, 0.10, 0.20])
def test_the_value_is_the_strength_of_the_veil(source, parsing, damage, strength):
    found = measured(damage.veil(source, strength), source, parsing)
    assert found.value == pytest.approx(strength, abs=0.01)
    assert found.details["black_point_rise"] > 0.4 * strength


def test_a_veil_is_found_on_a_smaller_garment(source, parsing, damage):
    result = damage.veil(damage.shrink(source, 0.7), 0.15)
    mask = damage.shrink_mask(parsing.garment, 0.7)
    found = veil.measure(result, source, mask, parsing.garment)
    assert found.value == pytest.approx(0.15, abs=0.03)


@pytest.mark.parametrize(
    "harmless",
    [
        lambda damage, picture: picture,
        lambda damage, picture: damage.expose(picture, 0.3),
        lambda damage, picture: damage.expose(picture, -0.3),
        lambda damage, picture: damage.jpeg(picture, 75),
        lambda damage, picture: damage.blur(picture, 1),
    ],
    ids=["none", "brighter", "darker", "jpeg", "blur"],
)
def test_what_is_no_veil_does_not_fire(source, parsing, damage, harmless):
    assert measured(harmless(damage, source), source, parsing).value < 0.05


def test_a_local_veil_shows_where_it_is(source, parsing, damage):
    result = source.copy()
    result[160:] = damage.veil(source, 0.3)[160:]
    found = measured(result, source, parsing, aligned=True)
    assert np.nanmedian(found.local[200:240]) == pytest.approx(0.3, abs=0.05)
    assert np.nanmedian(found.local[70:130]) < 0.05


def test_flat_tiles_are_unknown_and_not_clean(source, parsing):
    half_flat = source.copy()
    half_flat[150:250, 50:190] = (60, 90, 150)
    found = measured(half_flat, half_flat, parsing, aligned=True)
    assert found.unknown[210, 120]
    assert np.isnan(found.local[210, 120])
    assert not found.unknown[110, 120]


def test_a_garment_of_one_tone_is_unmeasurable(source, parsing):
    flat = source.copy()
    flat[parsing.garment] = (60, 90, 150)
    found = measured(flat, flat, parsing)
    assert found.value is None
    assert "light and dark" in found.reason


def test_a_blown_out_garment_is_unmeasurable(source, parsing):
    white = source.copy()
    white[parsing.garment] = 255
    white[70:100, 50:190] = 60
    found = measured(white, white, parsing)
    assert found.value is None
    assert "blown out" in found.reason


def test_both_slope_and_offset_are_needed():
    assert veil.strength(0.9, 0.088) == pytest.approx(0.1)
    assert veil.strength(0.9, 0.0) == 0  # darker picture
    assert veil.strength(1.1, 0.1) == 0  # brighter picture
    assert veil.strength(-3, 5) == 1


def test_a_mask_of_another_size_is_refused_with_both_sizes(source, parsing):
    with pytest.raises(ValueError, match=r"result_mask must be 320x240 bool .*, got 10x10 bool"):
        veil.measure(source, source, np.ones((10, 10), bool), parsing.garment)


def test_a_float_picture_is_refused(source, parsing):
    with pytest.raises(ValueError, match="result must be height x width x 3 uint8"):
        measured(source.astype(np.float32), source, parsing)
