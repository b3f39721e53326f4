import numpy as np
from dressform.quality import edge


def measured(result, source, parsing):
    return edge.measure(result, source, parsing.garment, parsing.garment)


def test_softer_outlines_lose_more(source, parsing, damage):
    losses = [measured(damage.blur(source, s), source, parsing).value for s in (0.5, 1, 1.5, 2.5)]
    assert losses == sorted(losses)
    assert losses[1] > 0.15
    assert losses[3] > 0.45


def test_harmless_changes_lose_little(source, parsing, damage):
    for result in (
        source,
        damage.veil(source, 0.2),
        damage.expose(source, -0.3),
        damage.jpeg(source, 80),
    ):
        assert measured(result, source, parsing).value < 0.08


def test_the_same_garment_smaller_is_as_sharp(source, parsing, damage):
    found = edge.measure(
        damage.shrink(source, 0.7),
        source,
        damage.shrink_mask(parsing.garment, 0.7),
        parsing.garment,
    )
    assert found.value < 0.15


def test_a_mask_two_pixels_off_does_not_count_as_blur(source, parsing, damage):
    found = edge.measure(source, source, damage.move(parsing.garment, 2), parsing.garment)
    assert found.value < 0.08


def test_the_map_shows_the_blurred_side_only(source, parsing, damage):
    result = source.copy()
    result[:, 130:] = damage.blur(source, 3)[:, 130:]
    found = measured(result, source, parsing)
    assert np.nanmedian(found.local[100:230, 180:200]) > 0.4
    assert np.nanmedian(found.local[100:230, 40:60]) < 0.1
    assert np.isnan(found.local[150, 120])


def test_a_garment_that_fills_the_frame_has_no_outline(source):
    everything = np.ones(source.shape[:2], bool)
    found = edge.measure(source, source, everything, everything)
    assert found.value is None
    assert "stands out" in found.reason


def test_a_garment_like_its_surroundings_is_unmeasurable(source, parsing):
    pale = np.full_like(source, 240)
    assert edge.measure(pale, source, parsing.garment, parsing.garment).value is None
